// Package setuptest tests the scripts that set a machine up for this project,
// with programs in place of Go and the package manager that answer as those do on
// other machines.
package setuptest
