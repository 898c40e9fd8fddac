package main

import "github.com/urfave/cli/v2"

// internalsCommand holds what administrators and tests need and users do not.
func (e *env) internalsCommand() *cli.Command {
	return &cli.Command{
		Name:   "internals",
		Usage:  "tools for administrators and tests",
		Hidden: true,
		Subcommands: append([]*cli.Command{
			e.cfsCommand(),
			e.mkcomposefsCommand(),
			e.fsverityCommand(),
			e.enableVerityCommand(),
			e.composefsGCCommand(),
			e.generatorCommand(),
			e.fixupFstabCommand(),
			e.sysusersSyncCommand(),
			e.relabelCommand(),
			e.relabelOverlaysCommand(),
			e.prepSoftRebootCommand(),
			e.cleanupCommand(),
			e.rebootCommand(),
			e.generateDocsCommand(),
			e.printSchemaCommand(),
			e.dumpCLICommand(),
			e.dirDiffCommand(),
			e.ukiCommand(),
			e.blockdevCommand(),
			e.fsckCommand(),
		}, e.bootCommands()...),
	}
}
