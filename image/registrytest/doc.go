// Package registrytest is a container registry inside the test process: it
// speaks the OCI distribution API, counts what it serves, and misbehaves on
// demand.
//
//	reg := registrytest.New(t)
//	im := registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{
//		{Entries: []registrytest.Entry{registrytest.File("etc/motd", "hello\n")}, Compression: registrytest.Gzip},
//	}})
//	reg.Push("acme/os", "44", im)
//	reg.Inject(registrytest.Fault{Path: im.Layers[0].Digest.String(), Times: 1, Do: registrytest.Drop(100)})
//	// pull reg.Name("acme/os:44") …
//	reg.Requests(im.Layers[0].Digest.String()) // what was asked for, and what was sent
//
// It keeps everything in memory, except for blobs added by [Registry.AddFile]
// and [Registry.AddLayout], which it serves from disk.
package registrytest
