// Package image turns a reference to a container image into its verified
// manifest, configuration and layers.
//
// [Parse] reads a reference to an image in a registry or in any of the places
// that containers' tools know. [Open] fetches the manifest, has it judged by
// the signature policy before anything of it is used, picks the image for this
// machine out of an index, and fetches the configuration. [Image.OpenLayer]
// streams a layer, compressed as it is, and never ends a stream of wrong bytes
// with io.EOF.
//
// Credentials, mirrors, certificates and the signature policy come from the
// files of containers' tools (containers-auth.json(5),
// containers-registries.conf(5), containers-certs.d(5),
// containers-policy.json(5)) below [Options.Root].
package image
