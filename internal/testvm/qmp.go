package testvm

import (
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// qmp is a connection to QEMU's own monitor (QEMU Machine Protocol).
type qmp struct {
	conn net.Conn
	in   *json.Decoder
}

func dialQMP(socket string) (*qmp, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	q := &qmp{conn, json.NewDecoder(conn)}
	var greeting struct{ QMP map[string]any }
	if err := q.in.Decode(&greeting); err != nil || greeting.QMP == nil {
		conn.Close()
		return nil, fmt.Errorf("qmp: no greeting: %w", err)
	}
	return q, q.execute("qmp_capabilities", nil, nil)
}

// execute has QEMU execute a command, and reads what it returns into answer.
func (q *qmp) execute(command string, arguments, answer any) error {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(q.conn).Encode(request); err != nil {
		return err
	}
	for {
		var m struct {
			Event  string
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := q.in.Decode(&m); err != nil {
			return fmt.Errorf("qmp: %s: %w", command, err)
		}
		switch {
		case m.Event != "":
		case m.Error != nil:
			return fmt.Errorf("qmp: %s: %s", command, m.Error.Desc)
		case answer == nil:
			return nil
		default:
			return json.Unmarshal(m.Return, answer)
		}
	}
}

// cont starts a machine that was saved, when all that it had in memory is there.
func (q *qmp) cont() error {
	for {
		var state struct{ Status string }
		if err := q.execute("query-status", nil, &state); err != nil {
			return err
		}
		if state.Status != "inmigrate" {
			return q.execute("cont", nil, nil)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// save stops the machine, writes all that it has in memory to a file, and ends QEMU.
func (q *qmp) save(file string) error {
	for _, c := range []struct {
		command   string
		arguments any
	}{
		{"stop", nil},
		{"migrate-set-parameters", map[string]any{"max-bandwidth": int64(8) << 30}},
		{"migrate", map[string]any{"uri": "file:" + file}},
	} {
		if err := q.execute(c.command, c.arguments, nil); err != nil {
			return err
		}
	}
	for {
		var state struct {
			Status    string
			ErrorDesc string `json:"error-desc"`
		}
		if err := q.execute("query-migrate", nil, &state); err != nil {
			return err
		}
		switch state.Status {
		case "completed":
			return q.execute("quit", nil, nil)
		case "failed", "cancelled":
			return fmt.Errorf("qmp: the machine was not saved: %s", state.ErrorDesc)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
