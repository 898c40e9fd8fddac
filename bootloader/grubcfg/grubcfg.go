// Package grubcfg writes menus for GRUB.
package grubcfg
