// Command bootc makes an OCI container image the operating system of a host.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: "/", getenv: os.Getenv}, os.Args)
	stop()
	os.Exit(code)
}
