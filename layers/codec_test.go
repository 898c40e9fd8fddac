package layers

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bootc-go/bootc/internal/testtool"
)

// pipe runs a tool over data.
func pipe(t testing.TB, data []byte, tool string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, tool), args...)
	cmd.Stdin = bytes.NewReader(data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, args, err, &stderr)
	}
	return out
}

// sampleTar is the tar of one file with n bytes that compress a little.
func sampleTar(n int) []byte {
	m := tarMaker{rand.New(rand.NewPCG(7, 7))}
	b := make([]byte, blockSize, blockSize+n+2*blockSize)
	copy(b, "file")
	copy(fieldSize.of(b), octal(int64(n), 11))
	copy(fieldMode.of(b), "0000644")
	b[typeflagAt] = typeRegular
	setChecksum(b)
	for len(b) < blockSize+n {
		b = append(b, byte(m.IntN(16)))
	}
	return append(b, make([]byte, -n&(blockSize-1)+2*blockSize)...)
}

func octal(n int64, width int) string {
	b := bytes.Repeat([]byte{'0'}, width)
	for i := width - 1; n > 0; i-- {
		b[i] = byte('0' + n&7)
		n >>= 3
	}
	return string(b)
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdFrame(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

func skippable(n int) []byte {
	return append([]byte{0x5e, 0x2a, 0x4d, 0x18, byte(n), byte(n >> 8), 0, 0}, make([]byte, n)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestDecompress decodes what independent tools compressed.
func TestDecompress(t *testing.T) {
	t.Parallel()
	data := sampleTar(1 << 20)
	half := len(data) / 2
	tests := []struct {
		name string
		want Compression
		blob []byte
	}{
		{"tar", Uncompressed, data},
		{"gzip -1", Gzip, pipe(t, data, "gzip", "-1c")},
		{"gzip -9 with a name", Gzip, pipe(t, data, "gzip", "-9cN")},
		{"pigz", Gzip, pipe(t, data, "pigz", "-c")},
		{"pigz -11", Gzip, pipe(t, data[:1<<15], "pigz", "-11c")},
		{"pigz -i", Gzip, pipe(t, data, "pigz", "-ic")},
		{"stored", Gzip, pipe(t, data, "pigz", "-0c")},
		{"two members", Gzip, join(gzipped(t, data[:half]), gzipped(t, data[half:]))},
		{"an empty member", Gzip, join(gzipped(t, nil), gzipped(t, data), gzipped(t, nil))},
		{"a member for each block", Gzip, members(t, data[:64*blockSize])},
		{"zeros behind the last member", Gzip, join(gzipped(t, data), make([]byte, 100000))},
		{"zstd", Zstd, pipe(t, data, "zstd", "-c")},
		{"zstd -19", Zstd, pipe(t, data, "zstd", "-19c")},
		{"zstd --long", Zstd, pipe(t, data, "zstd", "--long=27", "-c")},
		{"zstd without checksum", Zstd, pipe(t, data, "zstd", "--no-check", "-c")},
		{"two frames", Zstd, join(zstdFrame(t, data[:half]), zstdFrame(t, data[half:]))},
		{"a skippable frame before", Zstd, join(skippable(9), zstdFrame(t, data))},
		{"skippable frames all over", Zstd, join(zstdFrame(t, data[:half]), skippable(0), skippable(700), zstdFrame(t, data[half:]), skippable(1))},
		{"an empty frame", Zstd, join(zstdFrame(t, nil), zstdFrame(t, data))},
		{"nothing", Uncompressed, nil},
		{"an empty tar", Uncompressed, make([]byte, 10240)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := data
			switch {
			case test.want == Uncompressed:
				want = test.blob
			case test.name == "pigz -11":
				want = data[:1<<15]
			case test.name == "a member for each block":
				want = data[:64*blockSize]
			}
			src := bytes.NewReader(test.blob)
			r, c, err := Decompress(src)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if c != test.want || !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes; want %s, %d bytes", c, len(got), test.want, len(want))
			}
			if src.Len() > 0 {
				t.Errorf("%d bytes of the blob were not read", src.Len())
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// members is how eStargz compresses: many gzip members.
func members(t testing.TB, data []byte) (blob []byte) {
	for len(data) > 0 {
		n := min(len(data), blockSize)
		blob = append(blob, gzipped(t, data[:n])...)
		data = data[n:]
	}
	return blob
}

// TestDecompressRefused has what must fail, and with what words.
func TestDecompressRefused(t *testing.T) {
	t.Parallel()
	data := sampleTar(300000)
	gz, zs := gzipped(t, data), zstdFrame(t, data)
	flipped := bytes.Clone(gz)
	flipped[len(gz)-6] ^= 1 // in the checksum
	tests := []struct {
		name string
		blob []byte
		is   error
		text string
	}{
		{"bzip2", pipe(t, data, "bzip2", "-c"), ErrUnsupported, "bzip2 is not supported"},
		{"xz", pipe(t, data, "xz", "-c"), ErrUnsupported, "xz is not supported"},
		{"text", []byte("<html>not found</html>"), ErrMalformed, "neither gzip nor zstd nor a tar"},
		{"one byte", []byte{0x1f}, ErrMalformed, "neither gzip nor zstd nor a tar"},
		{"truncated gzip", gz[:len(gz)-20], io.ErrUnexpectedEOF, "gzip: unexpected EOF"},
		{"truncated gzip trailer", gz[:len(gz)-3], io.ErrUnexpectedEOF, "gzip: unexpected EOF"},
		{"truncated gzip header", gz[:5], io.ErrUnexpectedEOF, "gzip: unexpected EOF"},
		{"bad gzip checksum", flipped, ErrMalformed, "checksum"},
		{"garbage behind gzip", join(gz, []byte("garbage behind it")), ErrMalformed, "gzip: invalid header"},
		{"data behind padding", join(gz, make([]byte, 10), gz), ErrMalformed, "data behind the padding"},
		{"truncated second member", join(gz, gz[:8]), io.ErrUnexpectedEOF, "gzip: unexpected EOF"},
		{"truncated zstd", zs[:len(zs)-20], io.ErrUnexpectedEOF, "zstd: unexpected EOF"},
		{"garbage behind zstd", join(zs, []byte("garbage!")), nil, "zstd: "},
		{"a window of 2 GiB", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 0x01, 0, 0}, ErrUnsupported, "a window of more than 134217728 bytes"},
		{"a single segment of 10 GiB", []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x80, 2, 0, 0, 0, 0x01, 0, 0}, ErrUnsupported, "a window of more than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, _, err := Decompress(bytes.NewReader(test.blob))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.text) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v; want one with %q that is %v", err, test.text, test.is)
			}
		})
	}
}

// TestDecodersAreReused makes sure that a decoder that failed works afterwards.
func TestDecodersAreReused(t *testing.T) {
	t.Parallel()
	data := sampleTar(100000)
	for range 50 {
		for _, blob := range [][]byte{gzipped(t, data), zstdFrame(t, data)} {
			for _, b := range [][]byte{blob[:len(blob)/2], blob} {
				r, _, err := Decompress(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if len(b) == len(blob) && (err != nil || !bytes.Equal(got, data)) {
					t.Fatalf("%d bytes, error %v", len(got), err)
				}
				r.Close()
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, errClosed) {
					t.Fatalf("reading a closed decoder: %v", err)
				}
			}
		}
	}
}
