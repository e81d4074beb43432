package ui_test

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestDemo(t *testing.T) {
	if os.Getenv("DEMO") == "" {
		t.Skip()
	}
	s := newSite(t)
	s.populate()
	os.WriteFile("/tmp/ui-demo.url", []byte(s.url), 0o644)
	fmt.Println(s.url)
	fmt.Println("DSN " + s.service.DB.Config().ConnString())
	for range 1800 {
		time.Sleep(time.Second)
		if _, err := os.Stat("/tmp/ui-demo.stop"); err == nil {
			return
		}
	}
}
