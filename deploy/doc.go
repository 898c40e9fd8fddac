// Package deploy stages, finalizes, upgrades, switches, rolls back, pins, deletes
// and collects deployments: it joins the repository of images, the directories of
// /etc and /var, and the boot loader's menus into one system that boots the old or
// the new deployment, at whatever instant the power fails.
//
// A deployment is an image to boot, by its id, with a state directory and a place
// in a menu. What is in the live menu can boot; what is in the staged menu will
// replace it when the host shuts down. Nothing else is a deployment, and is
// collected. docs/explanation/deployments.md has the states, the files, and the
// order in which they are written.
package deploy
