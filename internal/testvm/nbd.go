package testvm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Numbers of the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md).
const (
	nbdMagic        = 0x4e42444d41474943 // "NBDMAGIC"
	nbdOptionMagic  = 0x49484156454f5054 // "IHAVEOPT"
	nbdReplyMagic   = 0x3e889045565a9
	nbdFixed        = 1 << 0 // handshake: fixed newstyle
	nbdNoZeroes     = 1 << 1
	nbdOptExport    = 1
	nbdOptAbort     = 2
	nbdOptGo        = 7
	nbdAck          = 1
	nbdInfo         = 3
	nbdUnsupported  = 1<<31 | 1
	nbdHasFlags     = 1 << 0 // transmission: what the server can do
	nbdSendFlush    = 1 << 2
	nbdSendFUA      = 1 << 3
	nbdSendZeroes   = 1 << 6
	nbdRequestMagic = 0x25609513
	nbdSimpleReply  = 0x67446698
	nbdRead         = 0
	nbdWrite        = 1
	nbdDisconnect   = 2
	nbdFlush        = 3
	nbdWriteZeroes  = 6
	nbdFlagFUA      = 1 << 0
	nbdErrIO        = 5
	nbdMaxRequest   = 64 << 20
)

// nbdDisk is what the server serves.
type nbdDisk interface {
	size() int64
	readAt(p []byte, off int64) error
	writeAt(p []byte, off int64, durable bool) error
	flush() error
}

// serveNBD speaks the NBD protocol with one client until that leaves.
func serveNBD(conn net.Conn, disk nbdDisk) error {
	s := &nbdServer{in: bufio.NewReaderSize(conn, 1<<20), out: conn, disk: disk}
	if err := s.handshake(); err != nil {
		return err
	}
	for {
		if more, err := s.request(); err != nil || !more {
			return err
		}
	}
}

type nbdServer struct {
	in   *bufio.Reader
	out  io.Writer
	disk nbdDisk
}

const nbdFlags = nbdHasFlags | nbdSendFlush | nbdSendFUA | nbdSendZeroes

func (s *nbdServer) send(fields ...any) error {
	var b []byte
	for _, f := range fields {
		var err error
		if b, err = binary.Append(b, binary.BigEndian, f); err != nil {
			return err
		}
	}
	_, err := s.out.Write(b)
	return err
}

func (s *nbdServer) receive(fields ...any) error {
	for _, f := range fields {
		if err := binary.Read(s.in, binary.BigEndian, f); err != nil {
			return err
		}
	}
	return nil
}

// handshake offers the disk under any name, until the client takes it.
func (s *nbdServer) handshake() error {
	var clientFlags uint32
	if err := s.send(uint64(nbdMagic), uint64(nbdOptionMagic), uint16(nbdFixed|nbdNoZeroes)); err != nil {
		return err
	}
	if err := s.receive(&clientFlags); err != nil {
		return err
	}
	for {
		var magic uint64
		var option, length uint32
		if err := s.receive(&magic, &option, &length); err != nil {
			return err
		}
		if magic != nbdOptionMagic || length > 4096 {
			return fmt.Errorf("nbd: option %d of %d bytes with magic %x", option, length, magic)
		}
		if _, err := s.in.Discard(int(length)); err != nil {
			return err
		}
		switch option {
		case nbdOptExport:
			return s.send(uint64(s.disk.size()), uint16(nbdFlags))
		case nbdOptAbort:
			return errors.New("nbd: the client gave up")
		case nbdOptGo:
			return s.send(uint64(nbdReplyMagic), option, uint32(nbdInfo), uint32(12), uint16(0), uint64(s.disk.size()), uint16(nbdFlags),
				uint64(nbdReplyMagic), option, uint32(nbdAck), uint32(0))
		default:
			if err := s.send(uint64(nbdReplyMagic), option, uint32(nbdUnsupported), uint32(0)); err != nil {
				return err
			}
		}
	}
}

// request serves one request and reports whether there will be more.
func (s *nbdServer) request() (bool, error) {
	var magic, length uint32
	var flags, kind uint16
	var cookie, offset uint64
	if err := s.receive(&magic, &flags, &kind, &cookie, &offset, &length); err != nil {
		if errors.Is(err, io.EOF) { // QEMU was killed
			return false, nil
		}
		return false, err
	}
	if magic != nbdRequestMagic || kind == nbdRead && length > nbdMaxRequest {
		return false, fmt.Errorf("nbd: request %d of %d bytes with magic %x", kind, length, magic)
	}
	var data []byte
	var err error
	switch kind {
	case nbdRead:
		data = make([]byte, length)
		err = s.disk.readAt(data, int64(offset))
	case nbdWrite:
		p := make([]byte, length)
		if _, err := io.ReadFull(s.in, p); err != nil {
			return false, nil //nolint:nilerr // QEMU was killed within a request
		}
		err = s.disk.writeAt(p, int64(offset), flags&nbdFlagFUA != 0)
	case nbdWriteZeroes:
		err = s.disk.writeAt(make([]byte, length), int64(offset), flags&nbdFlagFUA != 0)
	case nbdFlush:
		err = s.disk.flush()
	case nbdDisconnect:
		return false, nil
	default:
		err = fmt.Errorf("nbd: request of kind %d", kind)
	}
	code := uint32(0)
	if err != nil {
		code, data = nbdErrIO, nil
	}
	if err := s.send(uint32(nbdSimpleReply), code, cookie, data); err != nil {
		return false, nil //nolint:nilerr // QEMU was killed before the answer
	}
	return true, nil
}
