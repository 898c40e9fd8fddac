// Command bootc makes an OCI container image the operating system of a host.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/bootc-go/bootc/image"
)

// ballast is how much memory the garbage collector believes to be in use, in bytes,
// besides what is. It collects when the heap has doubled, which a command of half
// a second would make it do ten times on the way up. The memory is never touched,
// so it is none; but as much again may be garbage before it is collected.
const ballast = 64 << 20

func main() {
	if image.Reexec() {
		return
	}
	unused := make([]byte, ballast)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; the second one kills.
	context.AfterFunc(ctx, stop)
	code := run(ctx, &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: "/", getenv: os.Getenv}, os.Args)
	stop()
	runtime.KeepAlive(unused)
	os.Exit(code)
}
