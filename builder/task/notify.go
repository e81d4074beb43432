package task

import (
	"context"
	"crypto/tls"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"

	"moromi/internal/koji"
)

// Mail is how a builder sends mail (kojid.conf: smtphost, smtp_user, smtp_pass, from_addr). Without a Host it sends none.
type Mail struct {
	// Host is the mail server, HOST or HOST:PORT; port 25 if it says none.
	Host           string
	User, Password string
	// From is the sender, as in "Build System <buildsys@example.org>".
	From string
}

// notifyWeight is what a mail costs a host: next to nothing.
const notifyWeight = 0.1

// mailTime bounds the conversation with the mail server: a task must not hang on it.
const mailTime = time.Minute

// message is one mail in plain text.
type message struct {
	to      []string
	subject string
	header  map[string]string // more fields
	body    string
}

// runBuildNotification tells people of the end of a build.
func runBuildNotification(ctx context.Context, j *Job) (any, error) {
	build, target := asMap(j.Args["build"]), asMap(j.Args["target"])
	status := "unknown"
	if n, ok := build["state"].(int64); ok {
		status = strings.ToLower(koji.BuildState(n).String())
	}
	tag := "<no tag>"
	if n, ok := target["dest_tag_name"].(string); ok {
		tag = n
	}
	web := strings.TrimRight(fmt.Sprint(j.Args["weburl"]), "/")
	m := message{to: addresses(j.Args["recipients"]),
		subject: fmt.Sprintf("Package: %v Tag: %s Status: %s Built by: %v", build["nvr"], tag, status, build["owner_name"]),
		header: map[string]string{"X-Koji-Tag": tag, "X-Koji-Package": fmt.Sprint(build["package_name"]), "X-Koji-Builder": fmt.Sprint(build["owner_name"]),
			"X-Koji-Status": status, "X-Koji-Draft": fmt.Sprint(build["draft"] == true)},
		body: fmt.Sprintf("Package: %v\nTag: %s\nStatus: %s\nBuilt by: %v\nID: %v\nStarted: %v\nFinished: %v\n", build["nvr"], tag, status, build["owner_name"],
			build["id"], build["creation_time"], build["completion_time"])}
	if id, ok := build["task_id"].(int64); ok {
		m.body += fmt.Sprintf("Task info: %s/taskinfo?taskID=%d\n", web, id)
	}
	m.body += fmt.Sprintf("Build info: %s/buildinfo?buildID=%v\n", web, build["id"])
	return j.tell(ctx, fmt.Sprintf("build %v", build["id"]), m)
}

// runTagNotification tells people of a build that was, or was not, put into a tag or taken out of one.
func runTagNotification(ctx context.Context, j *Job) (any, error) {
	build, err := j.Hub.Call(ctx, "getBuild", j.Args["build_info"])
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for arg, method := range map[string]string{"tag_info": "getTag", "from_info": "getTag", "user_info": "getUser"} {
		if j.Args[arg] == nil {
			continue
		}
		thing, err := j.Hub.Call(ctx, method, j.Args[arg])
		if err != nil {
			return nil, err
		}
		names[arg], _ = asMap(thing)["name"].(string)
	}
	nvr, user, outcome := asMap(build)["nvr"], names["user_info"], "successfully"
	if j.Args["is_successful"] != true {
		outcome = "unsuccessfully"
	}
	to, from, done := names["tag_info"], names["from_info"], "tagged into "+names["tag_info"]
	switch {
	case to != "" && from != "":
		done = "moved from " + from + " to " + to
	case from != "":
		done = "untagged from " + from
	}
	m := message{to: addresses(j.Args["recipients"]), subject: fmt.Sprintf("%v %s %s by %s", nvr, outcome, done, user),
		header: map[string]string{"X-Koji-Package": fmt.Sprint(asMap(build)["package_name"]), "X-Koji-NVR": fmt.Sprint(nvr), "X-Koji-User": user,
			"X-Koji-Status": outcome}}
	m.body = m.subject + "\n"
	if why, _ := j.Args["failure_msg"].(string); why != "" {
		m.body += "\n" + why + "\n"
	}
	return j.tell(ctx, fmt.Sprintf("tagging of %v", nvr), m)
}

// tell sends the mail, if this builder can, and says what it did: that is the task's result.
func (j *Job) tell(ctx context.Context, what string, m message) (any, error) {
	switch {
	case len(m.to) == 0:
		return "nobody is to be told of " + what, nil
	case j.Settings.Mail.Host == "":
		return "this builder has no mail server (smtphost): nobody was told of " + what, nil
	}
	if err := j.Settings.Mail.send(ctx, m, j.Settings.Now()); err != nil {
		return nil, err
	}
	return fmt.Sprintf("sent notification of %s to: %s", what, strings.Join(m.to, ", ")), nil
}

// addresses keeps what can be written to.
func addresses(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, x := range list {
		text, _ := x.(string)
		if a, err := mail.ParseAddress(text); err == nil {
			out = append(out, a.Address)
		}
	}
	return out
}

// text is the mail as it is sent (RFC 5322). Field values are encoded, so that nothing in them can start another field.
func (m message) text(from string, now time.Time) (string, error) {
	var b strings.Builder
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, mime.QEncoding.Encode("utf-8", value)) }
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nDate: %s\r\n", from, strings.Join(m.to, ", "), now.Format(time.RFC1123Z))
	field("Subject", m.subject)
	for _, name := range []string{"X-Koji-Tag", "X-Koji-Package", "X-Koji-NVR", "X-Koji-User", "X-Koji-Builder", "X-Koji-Status", "X-Koji-Draft"} {
		if v, ok := m.header[name]; ok {
			field(name, v)
		}
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(strings.ReplaceAll(m.body, "\n", "\r\n"))); err != nil {
		return "", err
	}
	return b.String(), w.Close()
}

// send gives the mail to the server, encrypted if it offers that.
func (c Mail) send(ctx context.Context, m message, now time.Time) error {
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return fmt.Errorf("sender %q: %w", c.From, err)
	}
	text, err := m.text(from.String(), now)
	if err != nil {
		return fmt.Errorf("write mail: %w", err)
	}
	host, port, err := net.SplitHostPort(c.Host)
	if err != nil {
		host, port = c.Host, "25"
	}
	ctx, cancel := context.WithTimeout(ctx, mailTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if err := c.deliver(s, host, from.Address, m.to, text); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

func (c Mail) deliver(s *smtp.Client, host, from string, to []string, text string) error {
	if ok, _ := s.Extension("STARTTLS"); ok {
		if err := s.StartTLS(&tls.Config{ServerName: host}); err != nil {
			return err
		}
	}
	if c.User != "" {
		if err := s.Auth(smtp.PlainAuth("", c.User, c.Password, host)); err != nil {
			return err
		}
	}
	if err := s.Mail(from); err != nil {
		return err
	}
	for _, a := range to {
		if err := s.Rcpt(a); err != nil {
			return err
		}
	}
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.Quit()
}
