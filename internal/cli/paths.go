package cli

import (
	"fmt"

	"moromi/internal/hubclient"
)

// Places below a top directory or address, as Koji lays files out (koji.PathInfo). Callers put the top before them.

func volumeDir(top string, volume any) string {
	if v := hubclient.String(volume); v != "" && v != "DEFAULT" {
		return top + "/vol/" + v
	}
	return top
}

func buildDir(top string, b row) string {
	name := text(b, "package_name")
	if name == "" {
		name = str(b, "name")
	}
	return fmt.Sprintf("%s/packages/%s/%s/%s", volumeDir(top, b["volume_name"]), name, str(b, "version"), str(b, "release"))
}

// rpmFile is relative to the build.
func rpmFile(r row) string { return str(r, "arch") + "/" + nvra(r) + ".rpm" }

func signedFile(r row, key string) string { return "data/signed/" + key + "/" + rpmFile(r) }

func taskDir(top string, task int64, volume any) string {
	return fmt.Sprintf("%s/work/tasks/%d/%d", volumeDir(top, volume), task%10000, task)
}

// archiveDir is where a build's archives of a type are.
func archiveDir(top string, b row, btype string) string {
	switch btype {
	case "maven", "win":
		return buildDir(top, b) + "/" + btype
	case "image":
		return buildDir(top, b) + "/images"
	}
	return buildDir(top, b) + "/files/" + btype
}
