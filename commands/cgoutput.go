package commands

import (
	"context"
	"path"
	"strings"

	"moromi/commands/metadata"
	"moromi/internal/fault"
	"moromi/internal/koji"
)

// prepOutputs reads and checks every file of the build.
func (imp *contentImport) prepOutputs(ctx context.Context) error {
	place := map[any]int{}
	for i, r := range imp.roots {
		place[r.meta.ID] = i
	}
	for _, o := range imp.meta.Outputs {
		root, there := place[o.BuildrootID]
		if !there {
			return fault.New(fault.Generic, "Missing buildroot metadata for id %v", o.BuildrootID)
		}
		imp.bare = imp.bare || o.MetadataOnly
		rel, err := imp.uploadPath(o)
		if err != nil {
			return err
		}
		switch o.Type {
		case metadata.OutputRPM:
			err = imp.prepRPM(o, rel, root)
		case metadata.OutputLog:
			err = imp.prepLog(o, rel)
		default:
			err = imp.prepArchive(ctx, o, rel, root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// uploadPath is where an output was uploaded, below the work directory. None of its parts leads out of what comes before it.
func (imp *contentImport) uploadPath(o metadata.Output) (string, error) {
	for _, part := range []string{imp.dir, o.RelPath, o.Filename} {
		if clean := path.Clean(part); strings.HasPrefix(part, "/") || clean == ".." || strings.HasPrefix(clean, "../") {
			return "", fault.New(fault.Generic, "Invalid path: %.100q", part)
		}
	}
	if imp.dir == "" || o.Filename == "" {
		return "", fault.New(fault.Generic, "Invalid path: a directory and a file name are needed")
	}
	return path.Join(imp.dir, o.RelPath, o.Filename), nil
}

func declared(o metadata.Output) *Declared {
	return &Declared{Filename: o.Filename, Size: o.Size, Checksum: o.Checksum, ChecksumType: o.ChecksumType, MetadataOnly: o.MetadataOnly}
}

// verifyUpload reads a file and compares it with what the document says.
func (imp *contentImport) verifyUpload(o metadata.Output, rel string) (*upload, error) {
	u, err := imp.s.readUpload(rel, o.ChecksumType)
	if err != nil {
		return nil, err
	}
	return u, declared(o).check(u)
}

func (imp *contentImport) prepRPM(o metadata.Output, rel string, root int) error {
	if o.MetadataOnly {
		return fault.New(fault.Generic, "Metadata-only imports are not supported for rpms")
	}
	if _, err := koji.ParseNVRA(path.Base(o.Filename)); err != nil {
		return err
	}
	if _, err := imp.verifyUpload(o, rel); err != nil {
		return err
	}
	r, err := imp.s.readRPM(rel)
	if err != nil {
		return err
	}
	m := imp.meta.Build
	srpm := m.Name + "-" + m.Version + "-" + m.Release + ".src.rpm"
	if r.source && r.name() != srpm || !r.source && r.srpm != srpm {
		return fault.New(fault.Generic, "srpm mismatch for %s: %s (expected %s)", r.name(), r.srpm, srpm)
	}
	r.event.Extra = o.Extra
	imp.rpms = append(imp.rpms, cgRPM{r, root})
	return nil
}

func (imp *contentImport) prepLog(o metadata.Output, rel string) error {
	if o.MetadataOnly {
		return nil // logs are files and nothing else
	}
	u, err := imp.verifyUpload(o, rel)
	if err == nil {
		imp.logs = append(imp.logs, cgLog{u.path, o.Subdir})
	}
	return err
}

func (imp *contentImport) prepArchive(ctx context.Context, o metadata.Output, rel string, root int) error {
	if _, listed := imp.btypes[o.BType]; !listed {
		return fault.New(fault.Generic, "Output type %.200s not listed in build types", o.BType)
	}
	if imp.meta.Build.Draft {
		return fault.New(fault.Generic, "Draft build not supported")
	}
	if o.ChecksumType != "md5" && o.ChecksumType != "sha256" {
		return fault.New(fault.Generic, "Unsupported checksum type: %.100s", o.ChecksumType)
	}
	if o.Size < 0 {
		return fault.New(fault.Generic, "Invalid size of %.200s: %d", o.Filename, o.Size)
	}
	in := NewArchive{Path: rel, Type: o.BType, Subdir: o.Subdir, Declared: declared(o), Extra: o.Extra}
	var err error
	switch o.BType {
	case "maven":
		in.Maven, err = ReadMavenInfo(o.TypeInfo)
	case "win":
		in.Win, err = ReadWinInfo(o.TypeInfo)
	case "image":
		info, _ := o.TypeInfo.(map[string]any)
		if arch, ok := info["arch"].(string); ok {
			in.ImageArch = &arch
		}
	}
	if err != nil {
		return err
	}
	if o.HasComponents {
		if in.RPMs, in.Archives, err = imp.matchComponents(ctx, o.Components); err != nil {
			return err
		}
	}
	f, err := imp.s.prepareArchive(ctx, in)
	if err != nil {
		return err
	}
	imp.archives = append(imp.archives, cgArchive{f, o.BType, root})
	return nil
}
