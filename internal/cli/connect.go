package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"moromi/internal/fault"
	"moromi/internal/hubclient"
	"moromi/internal/kerberos"
	"moromi/internal/xmlrpc"
)

// logoutTimeout keeps a slow hub from holding up the end of the command.
const logoutTimeout = 5 * time.Second

// kw are named arguments of a call.
type kw = xmlrpc.Kwargs

// row is a struct that the hub answered.
type row = map[string]any

// client makes a client with the configuration in force.
func (p *program) client(anonRetry bool) (*hubclient.Client, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default HTTP transport was replaced")
	}
	transport = transport.Clone()
	var err error
	if transport.TLSClientConfig, err = p.tls(); err != nil {
		return nil, err
	}
	level := slog.LevelWarn
	if p.global.debug {
		level = slog.LevelDebug
	}
	var sender http.RoundTripper = transport
	if p.cfg.debugXMLRPC {
		sender = &wire{next: transport, out: p.Err}
	}
	return hubclient.New(p.cfg.server, hubclient.Options{
		HTTP: &http.Client{Transport: sender}, UploadChunk: p.cfg.uploadChunk, Log: slog.New(slog.NewTextHandler(p.Err, &slog.HandlerOptions{Level: level})),
		MaxRetries: p.cfg.maxRetries, RetryInterval: p.cfg.retryInterval, AnonymousRetry: anonRetry || p.cfg.anonRetry,
		OfflineRetry: p.cfg.offlineRetry, OfflineRetryInterval: p.cfg.offlineInterval, Timeout: p.cfg.timeout, AuthTimeout: p.cfg.authTimeout,
	}), nil
}

func (p *program) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: p.cfg.noVerify} // no_ssl_verify is the user's own wish
	if p.cfg.serverCA != "" {
		pem, err := os.ReadFile(p.cfg.serverCA)
		if err != nil {
			return nil, fmt.Errorf("serverca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("serverca: %s has no certificate", p.cfg.serverCA)
		}
	}
	if method, _ := p.authMethod(); method == "ssl" && !p.cfg.noAuth {
		cert, err := tls.LoadX509KeyPair(p.cfg.cert, p.cfg.cert)
		if err != nil {
			return nil, fmt.Errorf("cert: %w (it must hold certificate and key)", err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}

// connection gives the client of this run, made when first needed.
func (p *program) connection() (*hubclient.Client, error) {
	if p.hub != nil {
		return p.hub, nil
	}
	var err error
	p.hub, err = p.client(false)
	return p.hub, err
}

// login opens a session, unless that is not wanted.
func (v *invocation) login() error {
	if v.cfg.noAuth {
		return nil
	}
	hub, err := v.connection()
	if err != nil || hub.LoggedIn() {
		return err
	}
	switch method, chosen := v.authMethod(); method {
	case "password":
		if v.cfg.user == "" || v.cfg.password == "" {
			return errors.New("log in: no user or password; give --user and set MOROMI_PASSWORD or MOROMI_PASSWORD_FILE")
		}
		return hub.Login(v.ctx, v.cfg.user, v.cfg.password)
	case "ssl":
		return hub.LoginCertificate(v.ctx, v.cfg.runAs)
	case "kerberos":
		return v.loginKerberos(hub, chosen)
	default:
		return fmt.Errorf("log in: authtype %q is not supported; use password, ssl, kerberos or noauth", method)
	}
}

// loginIfPossible logs in for commands that also serve nobody: without a way that was chosen, and without a ticket, there is no session.
func (v *invocation) loginIfPossible() error {
	_, chosen := v.authMethod()
	if err := v.login(); err != nil && (chosen || hubError(err)) {
		return err
	}
	return nil
}

// loginKerberos logs in by a ticket. If nobody has chosen that way, it was the last one left, and the error names the others.
func (v *invocation) loginKerberos(hub *hubclient.Client, chosen bool) error {
	const others = "log in: how? Give --user and set MOROMI_PASSWORD or MOROMI_PASSWORD_FILE, or give --cert"
	if !chosen && !strings.HasPrefix(v.cfg.server, "https://") {
		return errors.New(others)
	}
	err := hub.LoginKerberos(v.ctx, kerberos.New(kerberos.Source{Keytab: v.cfg.keytab, Principal: v.cfg.principal, Getenv: v.Getenv}), v.cfg.runAs)
	if err != nil && !chosen && fault.Of(err) == nil {
		return fmt.Errorf(others+"; Kerberos does not do: %w", err)
	}
	return err
}

// authMethod chooses how to log in: what is told, else as Koji's client does by a certificate if there is one, by a password if there is a
// user, else by Kerberos. chosen tells that it is not the last one left. Certificates are left out where there is no TLS.
func (p *program) authMethod() (method string, chosen bool) {
	switch {
	case p.cfg.authtype != "":
		return p.cfg.authtype, true
	case p.global.cert != "":
		return "ssl", true
	case strings.HasPrefix(p.cfg.server, "https://") && isFile(p.cfg.cert):
		return "ssl", true
	case p.cfg.user != "":
		return "password", true
	}
	return "kerberos", p.cfg.keytab != "" || p.cfg.principal != ""
}

// logout ends the session. Failure is no one's concern: the session ends by itself.
func (p *program) logout(ctx context.Context) {
	if p.hub == nil || !p.hub.LoggedIn() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	if err := p.hub.Logout(ctx); err != nil && p.global.debug {
		fmt.Fprintf(p.Err, "log out: %v\n", err)
	}
}

// watchClient logs out and goes on without a session, patiently: a hub that restarts does not end a watch.
func (v *invocation) watchClient() error {
	v.program.logout(v.ctx)
	var err error
	v.hub, err = v.client(true)
	return err
}

// call calls a method of the hub.
func (v *invocation) call(method string, args ...any) (any, error) {
	hub, err := v.connection()
	if err != nil {
		return nil, err
	}
	return hub.Call(v.ctx, method, args...)
}

// change calls a method that changes something. With --json, the command prints what it called and the answers.
func (v *invocation) change(method string, args ...any) (any, error) {
	answer, err := v.call(method, args...)
	if err == nil {
		v.changed(hubclient.Call{Method: method, Args: args}, answer)
	}
	return answer, err
}

// changeNumber is change for a method that answers an integer.
func (v *invocation) changeNumber(method string, args ...any) (int64, error) {
	r, err := v.change(method, args...)
	return hubclient.Int(r), err
}

// changeOne is change for a method that answers a struct.
func (v *invocation) changeOne(method string, args ...any) (row, error) {
	r, err := v.change(method, args...)
	return hubclient.Struct(r), err
}

func (v *invocation) changed(c hubclient.Call, answer any) {
	args, named := c.Args, kw{}
	if n := len(args); n > 0 {
		if last, ok := args[n-1].(kw); ok {
			args, named = args[:n-1], last
		}
	}
	v.done = append(v.done, row{"method": c.Method, "args": append([]any{}, args...), "kwargs": named, "result": answer})
}

// changeAll is change for several calls in one request; the first that fails is the error.
func (v *invocation) changeAll(calls []hubclient.Call) ([]any, error) {
	results, err := v.multiAll(calls)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(results))
	for i, r := range results {
		if r.Err != nil {
			err = errors.Join(err, r.Err)
			continue
		}
		values[i] = r.Value
		v.changed(calls[i], r.Value)
	}
	return values, err
}

// one calls a method that answers a struct, or nil if there is none.
func (v *invocation) one(method string, args ...any) (row, error) {
	r, err := v.call(method, args...)
	return hubclient.Struct(r), err
}

// list calls a method that answers an array of structs.
func (v *invocation) list(method string, args ...any) ([]row, error) {
	r, err := v.call(method, args...)
	return hubclient.Structs(r), err
}

// number calls a method that answers an integer.
func (v *invocation) number(method string, args ...any) (int64, error) {
	r, err := v.call(method, args...)
	return hubclient.Int(r), err
}

// optional calls a method that a hub may lack, because what it is about is not built in there; then the answer is nil.
func (v *invocation) optional(method string, args ...any) (any, error) {
	answer, err := v.call(method, args...)
	if f := fault.Of(err); f != nil && f.Code == fault.Generic && strings.HasPrefix(f.Message, "Invalid method") {
		return nil, nil
	}
	return answer, err
}

func method(name string, args ...any) hubclient.Call { return hubclient.Call{Method: name, Args: args} }

// multi makes several calls in one request and gives their answers; the first that fails is the error.
func (v *invocation) multi(calls []hubclient.Call) ([]any, error) {
	results, err := v.multiAll(calls)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(results))
	for i, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
		values[i] = r.Value
	}
	return values, nil
}

// multiAll is multi for calls that may fail each for itself.
func (v *invocation) multiAll(calls []hubclient.Call) ([]hubclient.Result, error) {
	hub, err := v.connection()
	if err != nil {
		return nil, err
	}
	return hub.MultiCall(v.ctx, calls)
}

// need calls a lookup method and makes "none" an error. what is the kind of thing, as "tag".
func (v *invocation) need(what, method, name string, args ...any) (row, error) {
	r, err := v.one(method, append([]any{name}, args...)...)
	if err == nil && r == nil {
		err = fmt.Errorf("no such %s: %s", what, name)
	}
	return r, err
}

// allDigits tells an id from a name, where Koji's commands take both.
func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// reference is an id as a number, a name as it is.
func reference(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && allDigits(s) {
		return n
	}
	return s
}

// hubError tells whether the hub refused (as against: could not be asked).
func hubError(err error) bool { return fault.Of(err) != nil }
