// Command bootc makes an OCI container image the operating system of a host.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/bootc-go/bootc/image"
)

func main() {
	if image.Reexec() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; the second one kills.
	context.AfterFunc(ctx, stop)
	code := run(ctx, &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: "/", getenv: os.Getenv}, os.Args)
	stop()
	os.Exit(code)
}
