package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"moromi/internal/hubclient"
)

// A site of its own disk: a cluster takes some 60 MB, and the rest is for uploads.
const (
	diskSize = 256 << 20
	piece    = 1 << 20
)

// TestFullDisk fills the disk of a site with uploads while others change it. What was acknowledged is there after space was made.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	mount := t.TempDir()
	if err := unix.Mount("moromid-test", mount, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		t.Skipf("no small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(mount, "site")
	d := up(t, dir)
	var acked acknowledged
	ctx, enough := context.WithCancel(t.Context())
	var begun, done sync.WaitGroup
	begun.Add(1)
	c := d.admin()
	done.Go(func() { acked.write(ctx, c, "full", begun.Done) })
	begun.Wait()

	uploader, data := d.admin(), make([]byte, piece)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	uploads := 0
	var refused error
	for ; refused == nil && uploads < diskSize/piece; uploads++ {
		refused = uploader.UploadChunk(t.Context(), "cli-build/full", fmt.Sprintf("piece-%d", uploads), 0, data, false)
	}
	if refused == nil {
		t.Errorf("the disk took %d uploads of %d bytes", uploads, piece)
	}
	t.Logf("upload %d was refused: %v", uploads, refused)
	enough()
	done.Wait()

	// the operator makes room; a hub that has ended is started again
	uploaded := filepath.Join(dir, "topdir", "work", "cli-build", "full")
	whole, err := os.ReadFile(filepath.Join(uploaded, "piece-0"))
	if err != nil || !bytes.Equal(whole, data) {
		t.Errorf("the first upload is not there whole: %v", err)
	}
	if err := os.RemoveAll(uploaded); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
		d = up(t, dir)
	default:
	}
	d.waitReady()
	acked.want(t, d)
	after := d.admin()
	if _, err := after.Call(t.Context(), "createTag", "after"); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if err := importFile(t, after, sample(t), sampleName); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	v, err := after.Call(t.Context(), "listBuilds")
	if err != nil || len(hubclient.List(v)) != 1 {
		t.Errorf("builds: %v, %v", v, err)
	}
	wantSound(t, "--data", dir)
}
