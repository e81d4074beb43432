package hub

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"moromi/internal/fault"
	"moromi/internal/storage"
)

// maxDownload is the most that one downloadTaskOutput answers, before base64: the answer is one text in memory. Clients that want more ask
// again from where they are; Koji's client reads 1 MiB at a time.
const maxDownload = 64 << 20

// uploadMethods are the calls around uploads and what tasks left. None of them is a Write: a repeat is how a client recovers.
func (h *Hub) uploadMethods() []Method {
	return []Method{
		{Name: "uploadFile", Params: "path, name, size, md5sum, offset, data, volume=None, checksum=None", Auth: Session,
			Help: "Upload a piece of a file as base64 text (old clients; others send the bytes). Offset -1 ends the file: size and checksum are then the whole file's.",
			Func: (*Call).uploadFile},
		{Name: "checkUpload", Params: "path, name, verify=None, tail=None, volume=None", Auth: Anonymous,
			Help: "Size and time of an uploaded file, and its checksum if asked, of the last tail bytes only if given. Nothing if there is no such file.",
			Func: (*Call).checkUpload},
		{Name: "downloadTaskOutput", Params: "taskID, fileName, offset=0, size=-1, volume=None", Auth: Anonymous,
			Help: "Part of a task's output file, in base64. A negative offset counts from the end.", Func: (*Call).downloadTaskOutput},
		{Name: "listTaskOutput", Params: "taskID, stat=False, all_volumes=False, strict=False", Auth: Anonymous,
			Help: "The files that a task put out; with stat their sizes and times, with all_volumes on which volumes they are.", Func: (*Call).listTaskOutput},
	}
}

// oldUpload is uploadFile's arguments.
type oldUpload struct {
	to     storage.Upload
	size   int64 // -1: not told
	offset int64
	data   []byte
	verify string // "" for none
	digest string
	volume string
}

func (c *Call) uploadFile(a Args) (any, error) {
	u, err := parseOldUpload(a)
	if err != nil {
		return nil, err
	}
	if u.offset != -1 {
		if u.size >= 0 && u.size != int64(len(u.data)) {
			return false, nil
		}
		if ok, err := u.sumIs(bytes.NewReader(u.data)); err != nil || !ok {
			return false, err
		}
	}
	if u.offset > c.hub.cfg.Limits.UploadFile-int64(len(u.data)) {
		return nil, errUploadSize(u.to, c.hub.cfg.Limits.UploadFile)
	}
	owner, err := c.mayUpload(u.to, u.volume)
	if err != nil {
		return nil, err
	}
	f, existed, err := c.hub.cfg.Storage.OpenUpload(u.to, owner)
	if err != nil {
		return nil, err
	}
	ok, err := u.write(f.File, existed)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return ok, nil
}

func parseOldUpload(a Args) (oldUpload, error) {
	u := oldUpload{size: -1}
	bad := a.Reject(fault.Internal)
	path, err := bad.String("path")
	if err != nil {
		return u, err
	}
	name, err := bad.String("name")
	if err != nil {
		return u, err
	}
	if u.volume, err = bad.StringOr("volume", ""); err != nil {
		return u, err
	}
	if u.data, err = uploadedBytes(bad.Get("data")); err != nil {
		return u, err
	}
	if u.offset, err = bad.Int("offset"); err != nil {
		return u, err
	}
	if u.offset < -1 {
		return u, fault.New(fault.Generic, "Invalid upload offset: %d", u.offset)
	}
	size, err := bad.IntOrNil("size")
	if err != nil {
		return u, err
	}
	if size != nil && *size >= 0 {
		u.size = *size
	}
	sum := bad.Get("checksum")
	if sum == nil {
		sum = bad.Get("md5sum")
	}
	switch sum := sum.(type) {
	case nil:
	case string:
		u.verify, u.digest = "md5", sum
	case []any:
		kind, digest := "", ""
		ok := len(sum) == 2
		if ok {
			kind, ok = sum[0].(string)
			digest, _ = sum[1].(string)
		}
		if !ok {
			return u, fault.New(fault.Internal, "a checksum is a digest or a list of its type and digest")
		}
		u.verify, u.digest = kind, digest
	default:
		return u, fault.New(fault.Internal, "a checksum cannot be %s", pyType(sum))
	}
	if u.verify != "" {
		if _, err := verifier(u.verify); err != nil {
			return u, err
		}
	}
	u.to, err = storage.ParseUpload(u.volume, path, name)
	return u, err
}

// uploadedBytes decodes base64 text; line breaks in it are normal. Newer encoders may send bytes, which hold the same text.
func uploadedBytes(v any) ([]byte, error) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return nil, fault.New(fault.Internal, "data must be base64 text, not %s", pyType(v))
	}
	b, err := base64.StdEncoding.DecodeString(text) // skips line breaks itself
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "data is not base64")
	}
	return b, nil
}

// sumIs tells whether the content has the client's checksum; without one it has.
func (u oldUpload) sumIs(content io.Reader) (bool, error) {
	if u.verify == "" {
		return true, nil
	}
	sum, err := verifier(u.verify)
	if err != nil {
		return false, err
	}
	if _, err := io.Copy(sum, content); err != nil {
		return false, fmt.Errorf("check upload: %w", err)
	}
	return hexSum(sum) == u.digest, nil
}

// write puts the piece in place, Koji's way: offset 0 starts the file anew (only a log may be there already); -1 appends the last piece,
// or is the whole file if it is as long as the size; then the file gets exactly that size and must have the checksum.
func (u oldUpload) write(f *os.File, existed bool) (bool, error) {
	if existed && u.offset == 0 && !strings.HasSuffix(u.to.String(), ".log") {
		return false, fault.New(fault.Generic, "file already exists: %s", u.to)
	}
	last := u.offset == -1
	if u.offset == 0 || last && u.size == int64(len(u.data)) {
		if err := f.Truncate(0); err != nil {
			return false, fmt.Errorf("upload: %w", err)
		}
	}
	at := u.offset
	if last {
		st, err := f.Stat()
		if err != nil {
			return false, fmt.Errorf("upload: %w", err)
		}
		at = st.Size()
	}
	if _, err := f.WriteAt(u.data, at); err != nil {
		return false, fmt.Errorf("upload: %w", err)
	}
	if !last {
		return true, nil
	}
	if u.size >= 0 {
		if most := at + int64(len(u.data)); u.size > most {
			return false, nil // pieces are missing: a file of zeros at the end would pass for whole
		}
		if err := f.Truncate(u.size); err != nil {
			return false, fmt.Errorf("upload: %w", err)
		}
	}
	return u.sumIs(io.NewSectionReader(f, 0, 1<<62))
}

func (c *Call) checkUpload(a Args) (any, error) {
	bad := a.Reject(fault.Internal)
	path, err := bad.String("path")
	if err != nil {
		return nil, err
	}
	name, err := bad.String("name")
	if err != nil {
		return nil, err
	}
	volume, err := bad.StringOr("volume", "")
	if err != nil {
		return nil, err
	}
	verify, err := bad.StringOr("verify", "")
	if err != nil {
		return nil, err
	}
	tail, err := bad.IntOrNil("tail")
	if err != nil {
		return nil, err
	}
	to, err := storage.ParseUpload(volume, path, name)
	if err != nil {
		return nil, err
	}
	if err := c.knownVolume(volume); err != nil {
		return nil, err
	}
	f, err := c.hub.cfg.Storage.OpenUploaded(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("check upload: %w", err)
	}
	data := map[string]any{"size": st.Size(), "mtime": seconds(st.ModTime())}
	if verify == "" {
		return data, nil
	}
	sum, err := verifier(verify)
	if err != nil {
		return nil, err
	}
	return data, c.sumTail(f.File, st.Size(), tail, sum, data)
}

// sumTail adds the checksum of the file's last tail bytes, or of all, to data.
func (c *Call) sumTail(f *os.File, size int64, tail *int64, sum hash.Hash, data map[string]any) error {
	offset := int64(0)
	if tail != nil {
		if *tail < 0 {
			return fault.New(fault.Generic, "Invalid tail value: %d", *tail)
		}
		offset = max(size-*tail, 0)
	}
	n, err := copyCtx(c.ctx, sum, io.NewSectionReader(f, offset, 1<<62))
	if err != nil {
		return fmt.Errorf("check upload: %w", err)
	}
	data["sumlength"], data["hexdigest"] = n, hexSum(sum)
	return nil
}

// seconds is a file time as Python's stat gives it.
func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// taskFile makes the path of a task's output file; a name with ".." or hidden elements is refused.
func taskFile(volume string, task int64, name string) (storage.Path, error) {
	dir, err := storage.TaskDir(volume, task)
	if err != nil {
		return storage.Path{}, err
	}
	if strings.Contains(name, "..") {
		return storage.Path{}, fault.New(fault.Generic, "Invalid file name: %s", clip(name))
	}
	rel, err := storage.Parse(name)
	if err != nil {
		return storage.Path{}, fault.New(fault.Generic, "Invalid file name: %s", clip(name))
	}
	return dir.Join(strings.Split(rel.String(), "/")...)
}

func (c *Call) downloadTaskOutput(a Args) (any, error) {
	bad := a.Reject(fault.Internal)
	size, err := a.Int("size") // the only one that Koji converts itself
	if err != nil {
		return nil, err
	}
	task, err := bad.ID("taskID")
	if err != nil {
		return nil, err
	}
	name, err := bad.String("fileName")
	if err != nil {
		return nil, err
	}
	volume, err := bad.StringOr("volume", "")
	if err != nil {
		return nil, err
	}
	offset, err := bad.IntOrNil("offset")
	if err != nil {
		return nil, err
	}
	if err := c.knownVolume(volume); err != nil {
		return nil, err
	}
	p, err := taskFile(volume, task, name)
	if err != nil {
		return nil, err
	}
	top := c.hub.cfg.Storage
	st, err := top.Stat(p)
	if err != nil || !st.Mode().IsRegular() {
		return nil, fault.Wrap(err, fault.Generic, "no file \"%s\" output by task %d", clip(name), task)
	}
	f, err := top.Open(p)
	if err != nil {
		return nil, fmt.Errorf("download task output: %w", err)
	}
	defer f.Close()
	from := int64(0)
	if offset != nil {
		from = *offset
		if from < 0 {
			from = max(st.Size()+from, 0)
		}
	}
	if size < 0 || size > st.Size()-from {
		size = max(st.Size()-from, 0)
	}
	if size > maxDownload {
		return nil, fault.New(fault.Generic, "%d bytes are too many for one call: ask for at most %d, or fetch the file over HTTP", size, maxDownload)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, from)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("download task output: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b[:n]), nil
}

func (c *Call) listTaskOutput(a Args) (any, error) {
	task, err := a.Reject(fault.Internal).ID("taskID")
	if err != nil {
		return nil, err
	}
	if a.Bool("strict") {
		_, known, err := c.hub.cfg.Tasks.OpenOn(c.ctx, task)
		if err != nil {
			return nil, fmt.Errorf("look up task: %w", err)
		}
		if !known {
			return nil, fault.New(fault.Generic, "Task doesn't exist")
		}
	}
	all, withStat := a.Bool("all_volumes"), a.Bool("stat")
	volumes := []string{storage.DefaultVolume}
	if all {
		if volumes, err = c.hub.cfg.Volumes.VolumeNames(c.ctx); err != nil {
			return nil, fmt.Errorf("list volumes: %w", err)
		}
	}
	list, found := []string{}, map[string]any{}
	if task <= 0 {
		volumes = nil // no such directory can be
	}
	for _, v := range volumes {
		err := c.eachOutput(v, task, withStat, func(rel string, st map[string]any) {
			switch {
			case all && withStat:
				onVolumes, _ := found[rel].(map[string]any)
				if onVolumes == nil {
					onVolumes = map[string]any{}
				}
				onVolumes[v] = st
				found[rel] = onVolumes
			case all:
				names, _ := found[rel].([]string)
				found[rel] = append(names, v)
			case withStat:
				found[rel] = st
			default:
				list = append(list, rel)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if all || withStat {
		return found, nil
	}
	return list, nil
}

// eachOutput goes through the files of a task on one volume. Symlinks, which moved scratch builds leave, count as what they lead to.
func (c *Call) eachOutput(volume string, task int64, withStat bool, fn func(rel string, st map[string]any)) error {
	dir, err := storage.TaskDir(volume, task)
	if err != nil {
		return err
	}
	top := c.hub.cfg.Storage
	err = top.Walk(dir, func(rel string, _ fs.DirEntry) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if !withStat {
			fn(rel, nil)
			return nil
		}
		p, err := dir.Join(strings.Split(rel, "/")...)
		if err != nil {
			return err
		}
		st, err := top.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile, or a dangling link
		}
		if err != nil {
			return err
		}
		fn(rel, statStruct(st))
		return nil
	})
	if err != nil {
		return fmt.Errorf("list task output: %w", err)
	}
	return nil
}

// statStruct is a file's stat as listTaskOutput shows it: the size is text, since it may pass 32 bits.
func statStruct(st fs.FileInfo) map[string]any {
	m := map[string]any{"st_size": strconv.FormatInt(st.Size(), 10), "st_mtime": seconds(st.ModTime())}
	atime, ctime := st.ModTime(), st.ModTime()
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		atime, ctime = time.Unix(sys.Atim.Unix()), time.Unix(sys.Ctim.Unix())
	}
	m["st_atime"], m["st_ctime"] = seconds(atime), seconds(ctime)
	return m
}
