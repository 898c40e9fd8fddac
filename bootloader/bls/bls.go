// Package bls reads and writes the entries of the Boot Loader Specification, Type #1.
package bls
