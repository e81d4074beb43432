package task

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// mailServer takes one mail and gives what was said to it.
func mailServer(t *testing.T) (addr string, heard <-chan []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	out := make(chan []string, 1)
	go func() {
		var lines []string
		defer func() { out <- lines }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		say := func(s string) { fmt.Fprintf(conn, "%s\r\n", s) }
		say("220 test")
		data := false
		for r := bufio.NewScanner(conn); r.Scan(); {
			line := r.Text()
			lines = append(lines, line)
			switch {
			case data && line == ".":
				data = false
				say("250 taken")
			case data:
			case line == "DATA":
				data = true
				say("354 go on")
			case line == "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}()
	return l.Addr().String(), out
}

func notification(m Mail) *Job {
	return &Job{ID: 9, Method: "buildNotification", Log: slog.New(slog.DiscardHandler),
		Settings: &Settings{Mail: m, Now: func() time.Time { return time.Unix(1700000000, 0) }},
		Args: Args{"recipients": []any{"alice@example.com", "no address\r\nBcc: x@example.com", "bob@example.com"}, "weburl": "http://web/",
			"target": map[string]any{"dest_tag_name": "dest\r\nX-Evil: 1"},
			"build": map[string]any{"id": int64(3), "nvr": "foo-1.0-1", "state": int64(1), "owner_name": "alice", "package_name": "foo", "draft": false,
				"task_id": int64(7)}}}
}

func TestBuildNotification(t *testing.T) {
	t.Parallel()
	addr, heard := mailServer(t)
	got, err := runBuildNotification(t.Context(), notification(Mail{Host: addr, From: "Builds <builds@example.com>"}))
	if err != nil || got != "sent notification of build 3 to: alice@example.com, bob@example.com" {
		t.Fatalf("result %v, %v", got, err)
	}
	all := strings.Join(<-heard, "\n")
	for _, want := range []string{"MAIL FROM:<builds@example.com>", "RCPT TO:<alice@example.com>", "RCPT TO:<bob@example.com>", "Subject: ", "X-Koji-Status: complete",
		"http://web/taskinfo?taskID=3D7", "http://web/buildinfo?buildID=3D3"} {
		if !strings.Contains(all, want) {
			t.Errorf("the mail lacks %q:\n%s", want, all)
		}
	}
	fields, _, _ := strings.Cut(all, "MIME-Version")
	if strings.Contains(fields, "\nX-Evil") || strings.Contains(all, "Bcc") {
		t.Errorf("a value made a field:\n%s", all)
	}
}

func TestNotificationWithoutMailServer(t *testing.T) {
	t.Parallel()
	got, err := runBuildNotification(t.Context(), notification(Mail{}))
	if text, _ := got.(string); err != nil || !strings.Contains(text, "no mail server") {
		t.Errorf("result %v, %v", got, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	if got, err := runBuildNotification(t.Context(), notification(Mail{Host: l.Addr().String(), From: "builds@example.com"})); err == nil {
		t.Errorf("a mail that nobody took: %v", got)
	}
}

// tagHub answers what runTagNotification asks.
type tagHub struct{ Hub }

func (tagHub) Call(_ context.Context, method string, args ...any) (any, error) {
	switch method {
	case "getBuild":
		return map[string]any{"nvr": "foo-1.0-1", "package_name": "foo"}, nil
	case "getTag", "getUser":
		return map[string]any{"name": args[0]}, nil
	}
	return nil, fmt.Errorf("unexpected call of %s", method)
}

func TestTagNotification(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		tag, from any
		ok        bool
		want      string
	}{
		{"base", nil, true, "foo-1.0-1 successfully tagged into base by alice"},
		{nil, "base", true, "foo-1.0-1 successfully untagged from base by alice"},
		{"dest", "base", false, "foo-1.0-1 unsuccessfully moved from base to dest by alice"},
	} {
		addr, heard := mailServer(t)
		j := notification(Mail{Host: addr, From: "builds@example.com"})
		j.Hub = tagHub{}
		j.Args = Args{"recipients": []any{"bob@example.com"}, "is_successful": tt.ok, "tag_info": tt.tag, "from_info": tt.from, "build_info": int64(1),
			"user_info": "alice", "failure_msg": "because"}
		if _, err := runTagNotification(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(<-heard, "\n"); !strings.Contains(all, "Subject: "+tt.want) || !strings.Contains(all, "because") {
			t.Errorf("the mail lacks %q:\n%s", tt.want, all)
		}
	}
}
