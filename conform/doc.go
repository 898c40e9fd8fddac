// Package conform checks container images against the OCI image specification 1.1:
// layouts, indexes, manifests, configurations and layers.
//
// It reads everything that it is given, down to the entries of the layers, and reports
// all that is wrong as findings: each has a code, the section of the specification that
// it comes from, and a severity, which is that of the specification's keyword. The codes
// are listed in docs/reference/image-validate.md.
//
// It knows no registries: the bytes come from a [Source], or from the directory of a
// layout. Nothing of what they claim is trusted. Memory does not depend on it: of a
// document at most 4 MiB and 262,144 values are read, of a layer a hash of each name is
// kept, for at most 1,048,576 entries, and of each kind of finding in a document ten are
// kept.
package conform
