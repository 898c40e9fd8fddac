package main

// hint is what the user can do about err, "" if nothing is known.
func hint(err error) string {
	return ""
}
