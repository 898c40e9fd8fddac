package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/install"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/kargs"
)

// installFlags are those that all ways of installing have in common.
func installFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "source-imgref", Usage: "install `IMGREF` instead of the image of the container that runs"},
		newChoice("target-transport", "where the image of --target-imgref is, the `TRANSPORT`:", image.Transports()[0], image.Transports()...).also("docker"),
		&cli.StringFlag{Name: "target-imgref", Usage: "have upgrades follow `IMGREF` (default: what is installed)"},
		&cli.BoolFlag{Name: "enforce-container-sigpolicy", Usage: "refuse an image that containers-policy.json accepts unsigned, now and in upgrades"},
		&cli.BoolFlag{Name: "run-fetch-check", Usage: "make sure that the image for upgrades can be fetched"},
		&cli.BoolFlag{Name: "skip-fetch-check", Usage: "nothing, for it is not checked by default"},
		&cli.BoolFlag{Name: "disable-selinux", Usage: "add selinux=0 to the kernel arguments"},
		&cli.StringSliceFlag{Name: "karg", Usage: "add the kernel argument `ARG`; can be repeated"},
		&cli.StringSliceFlag{Name: "karg-delete", Usage: "remove the kernel argument `KEY[=VALUE]` of image or configuration; can be repeated"},
		&cli.StringFlag{Name: "root-ssh-authorized-keys", Usage: "let in to root who has a key of `FILE`"},
		newChoice("bound-images", "get the images that the image is bound to from `SOURCE`: stored (containers-storage of this system), pull (their registries) or skip (not now)",
			string(install.BoundStored), string(install.BoundStored), string(install.BoundPull), string(install.BoundSkip)),
		&cli.StringSliceFlag{Name: addonFlag, Usage: "install the addon `NAME` of the unified kernel image, which is NAME.addon.efi beside it, and keep it at upgrades; can be repeated (default: none)"},
		&cli.BoolFlag{Name: "generic-image", Usage: "nothing, for all disks are made to boot in any machine"},
		&cli.StringFlag{Name: "stateroot", Usage: "call the directory of /var `NAME`, in /sysroot/state/os (default: that of the configuration, or default)"},
		newChoice("bootloader", "install the boot `LOADER`:", "", words(config.KnownBootloaders())...),
		&cli.BoolFlag{Name: "composefs-backend", Usage: "nothing, for there is no other"},
		&cli.BoolFlag{Name: "allow-missing-verity", Usage: "nothing, for where fs-verity is missing the host does without"},
		&cli.BoolFlag{Name: "target-no-signature-verification", Hidden: true},
	}
	for _, r := range refusedFlags() {
		flags = append(flags, r.flag)
	}
	return flags
}

// refusedFlag is a flag of upstream for what there is not here.
type refusedFlag struct {
	flag cli.Flag
	why  string
}

func refusedFlags() []refusedFlag {
	return []refusedFlag{
		{&cli.BoolFlag{Name: "bootupd-skip-boot-uuid", Hidden: true}, "there is no bootupd"},
	}
}

// installOptions reads the flags of installFlags.
func (e *env) installOptions(c *cli.Context) (install.Options, error) {
	o := install.Options{
		Arch: runtime.GOARCH, Clock: time.Now,
		DisableSELinux: c.Bool("disable-selinux"), KargDeletes: c.StringSlice("karg-delete"), CheckTarget: c.Bool("run-fetch-check"),
	}
	for _, r := range refusedFlags() {
		if name := r.flag.Names()[0]; c.IsSet(name) {
			return o, usageError(c, "--%s: %s", name, r.why)
		}
	}
	o.Bound = install.BoundImages(c.String("bound-images"))
	if o.Stateroot = c.String("stateroot"); c.IsSet("stateroot") {
		if err := deploy.CheckStateroot(o.Stateroot); err != nil {
			return o, usageError(c, "--stateroot: %v", err)
		}
	}
	for _, k := range c.StringSlice("karg") {
		o.Kargs = append(o.Kargs, kargs.Parse(k)...)
	}
	var err error
	if o.Addons, err = addonChoice(c); err != nil {
		return o, err
	}
	if err := e.checkPrivileged(); err != nil {
		return o, err
	}
	if err := e.installSource(c, &o); err != nil {
		return o, err
	}
	if err := loaderFlag(c, &o); err != nil {
		return o, err
	}
	if err := e.targetFlags(c, &o); err != nil {
		return o, err
	}
	if name := c.String("root-ssh-authorized-keys"); name != "" {
		keys, err := os.ReadFile(name)
		if err != nil {
			return o, fmt.Errorf("cannot use --root-ssh-authorized-keys: %w", err)
		}
		o.SSHKeys = keys
	}
	return o, nil
}

func loaderFlag(c *cli.Context, o *install.Options) (err error) {
	if !c.IsSet("bootloader") {
		return nil
	}
	if o.Loader, err = config.ParseBootloader(c.String("bootloader")); err != nil {
		return usageError(c, "--bootloader: %w", err)
	}
	return nil
}

// targetFlags say what upgrades follow.
func (e *env) targetFlags(c *cli.Context, o *install.Options) (err error) {
	if c.IsSet("target-imgref") {
		if o.Target.Ref, err = image.New(c.String("target-transport"), c.String("target-imgref")); err != nil {
			return usageError(c, "--target-imgref: %w", err)
		}
	}
	o.Image = image.Options{Root: e.root, UserAgent: userAgent()}
	policy := o.Config != nil && o.Config.EnforceContainerSigpolicy != nil && *o.Config.EnforceContainerSigpolicy
	if policy || c.Bool("enforce-container-sigpolicy") {
		o.Image.RequireSignature = true
		o.Target.Signature = &host.Signature{Kind: host.ContainerPolicy}
	}
	return nil
}

// installSource decides what is installed: what --source-imgref names, with its own
// configuration, or the image of this container, whose configuration is here.
func (e *env) installSource(c *cli.Context, o *install.Options) (err error) {
	container, err := e.container()
	if err != nil {
		return err
	}
	if s := c.String("source-imgref"); s != "" {
		o.Source, err = image.Parse(s)
		return err
	}
	if container == nil {
		return usageError(c, "--source-imgref is needed outside of a podman container")
	}
	if o.Source, err = image.New("containers-storage", "@"+container.imageID); err != nil {
		return err
	}
	if o.Target.Ref, err = image.New("registry", container.image); err != nil {
		return err
	}
	o.Files = os.DirFS(e.root)
	o.Config, err = e.installConfig()
	return err
}
