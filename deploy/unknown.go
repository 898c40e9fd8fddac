package deploy

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
)

// unknown are the keys of a JSON object that this program has no fields for, as they were
// read. A later release wrote them, before a rollback brought this one back, and reads
// them when the host goes forward again: so they are written with all others, as long as
// the object tells of the same thing.
type unknown map[string]json.RawMessage

// maxUnknown is how many bytes of an object are kept that this program does not know. A file
// with more would be too large for its readers, and all of it be lost.
const maxUnknown = 1 << 10

// decodeObject reads a JSON object into a struct, to which v points, and returns the keys
// that it has no fields for.
func decodeObject(data []byte, v any) (unknown, error) {
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	var all unknown
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	for f := range reflect.TypeOf(v).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		maps.DeleteFunc(all, func(key string, _ json.RawMessage) bool { return name != "" && strings.EqualFold(key, name) })
	}
	if size, err := json.Marshal(all); err != nil || len(size) > maxUnknown {
		return nil, err
	}
	return all, nil
}

// encodeObject writes a struct as a JSON object with more keys, which come last and in
// order.
func encodeObject(v any, more unknown) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil || len(more) == 0 {
		return data, err
	}
	rest, err := json.Marshal(more)
	if err != nil {
		return nil, err
	}
	if string(data) == "{}" {
		return rest, nil
	}
	return append(append(data[:len(data)-1], ','), rest[1:]...), nil
}

func (m *marker) UnmarshalJSON(data []byte) (err error) {
	type fields marker
	m.more, err = decodeObject(data, (*fields)(m))
	return err
}

func (m marker) MarshalJSON() ([]byte, error) {
	type fields marker
	return encodeObject(fields(m), m.more)
}

func (m *memory) UnmarshalJSON(data []byte) (err error) {
	type fields memory
	m.more, err = decodeObject(data, (*fields)(m))
	return err
}

func (m memory) MarshalJSON() ([]byte, error) {
	type fields memory
	return encodeObject(fields(m), m.more)
}

func (t *trial) UnmarshalJSON(data []byte) (err error) {
	type fields trial
	t.more, err = decodeObject(data, (*fields)(t))
	return err
}

func (t trial) MarshalJSON() ([]byte, error) {
	type fields trial
	return encodeObject(fields(t), t.more)
}

func (b *trialBoot) UnmarshalJSON(data []byte) (err error) {
	type fields trialBoot
	b.more, err = decodeObject(data, (*fields)(b))
	return err
}

func (b trialBoot) MarshalJSON() ([]byte, error) {
	type fields trialBoot
	return encodeObject(fields(b), b.more)
}

// UnmarshalJSON reads it as it is in the file.
func (f *Failed) UnmarshalJSON(data []byte) (err error) {
	type fields Failed
	f.more, err = decodeObject(data, (*fields)(f))
	return err
}

// MarshalJSON writes it as it is in the file.
func (f Failed) MarshalJSON() ([]byte, error) {
	type fields Failed
	return encodeObject(fields(f), f.more)
}

// UnmarshalJSON reads it as it is in the file.
func (m *Missed) UnmarshalJSON(data []byte) (err error) {
	type fields Missed
	m.more, err = decodeObject(data, (*fields)(m))
	return err
}

// MarshalJSON writes it as it is in the file.
func (m Missed) MarshalJSON() ([]byte, error) {
	type fields Missed
	return encodeObject(fields(m), m.more)
}
