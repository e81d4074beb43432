package ui_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestShots(t *testing.T) {
	spec := os.Getenv("SHOTS")
	if spec == "" {
		t.Skip()
	}
	u, _ := os.ReadFile("/tmp/ui-demo.url")
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	actx, c := chromedp.NewExecAllocator(context.Background(), opts...)
	defer c()
	ctx, c2 := chromedp.NewContext(actx)
	defer c2()
	for _, line := range strings.Split(spec, "\n") {
		f := strings.Fields(line) // name path width scheme
		if len(f) < 4 {
			continue
		}
		w := int64(1280)
		if f[2] == "phone" {
			w = 390
		}
		err := chromedp.Do(ctx, chromedp.EmulateViewport(w, 850))
		if err == nil {
			_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: f[3]}}})
		}
		if err == nil {
			err = chromedp.Do(ctx, chromedp.Navigate(string(u)+f[1]), chromedp.Sleep(500*time.Millisecond))
		}
		if err != nil {
			t.Error(line, err)
			continue
		}
		var png []byte
		if len(f) > 4 {
			png, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
		} else {
			png, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
		}
		if err != nil {
			t.Error(line, err)
			continue
		}
		os.WriteFile("/tmp/shot-"+f[0]+".png", png, 0o644)
	}
}
