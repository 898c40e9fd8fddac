package etcmerge

// updatedStamp is systemd's mark that /etc is that of this /usr. An update makes
// that untrue, and units with ConditionNeedsUpdate= must run.
const updatedStamp = ".updated"

// machineID is who the machine is, whatever images say.
const machineID = "machine-id"

// workDir is where Apply makes files before it moves them to their places.
const workDir = ".bootc-etcmerge"

// ignored says whether the entry called name of the directory at path is
// neither compared nor carried over.
func ignored(path, name string) bool {
	return path == here && (name == updatedStamp || name == workDir)
}
