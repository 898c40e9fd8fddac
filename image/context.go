package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/types"
)

// authFiles are where credentials are looked for before the places of
// containers' tools; the first file that exists is the only one. An empty one
// ("{}") thus forbids credentials.
func authFiles() []string {
	return []string{"/run/ostree/auth.json", "/etc/ostree/auth.json", "/usr/lib/ostree/auth.json"}
}

// systemContext is how the library is told about Options.
func (o Options) systemContext() *types.SystemContext {
	sys := &types.SystemContext{
		RootForImplicitAbsolutePaths: o.Root,
		SignaturePolicyPath:          o.policyFile(),
		AuthFilePath:                 o.authFile(),
		SystemRegistriesConfPath:     o.registriesConf(),
		SystemRegistriesConfDirPath:  o.RegistriesConfDir,
		RegistriesDirPath:            o.RegistriesDir,
		DockerPerHostCertDirPath:     o.CertDir,
		DockerRegistryUserAgent:      o.UserAgent,
		ArchitectureChoice:           o.Arch,
		OSChoice:                     o.OS,
		VariantChoice:                o.Variant,
	}
	if o.InsecureTLS {
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	return sys
}

// authFile is the file with credentials, or "" to leave it to the library.
func (o Options) authFile() string {
	if o.AuthFile != "" {
		return o.AuthFile
	}
	if p := o.firstThere(authFiles()...); p != "" {
		return p
	}
	if o.Root == "" {
		return ""
	}
	// The library would look into the home directory of the system that runs.
	p := o.firstThere("/run/containers/0/auth.json", "/root/.config/containers/auth.json", "/root/.docker/config.json")
	if p == "" {
		p = o.below(authFiles()[0])
	}
	return p
}

// policyFile is the signature policy, or "" to leave it to the library, which
// looks into the home directory first.
func (o Options) policyFile() string {
	if o.PolicyPath != "" || o.Root == "" {
		return o.PolicyPath
	}
	if p := o.firstThere("/etc/containers/policy.json", "/usr/share/containers/policy.json"); p != "" {
		return p
	}
	return o.below("/etc/containers/policy.json")
}

// registriesConf is the configuration of registries, or "" to leave it to the
// library. A file that is named must exist.
func (o Options) registriesConf() string {
	if o.RegistriesConf != "" || o.Root == "" {
		return o.RegistriesConf
	}
	return o.firstThere("/etc/containers/registries.conf", "/usr/share/containers/registries.conf")
}

func (o Options) below(path string) string { return filepath.Join(o.Root, path) }

// firstThere returns the first of the paths below Root that exists, or "". One
// that cannot be looked at counts: to pass over it could mean to use less trust
// or other credentials than the administrator set up.
func (o Options) firstThere(paths ...string) string {
	for _, p := range paths {
		p = o.below(p)
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return p
		}
	}
	return ""
}
