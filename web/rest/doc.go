// Package rest is the JSON surface under /api/v1, for programs that do not speak Koji's protocol. Errors are answered as
// {"error": "…"} with a fitting HTTP status; what is internal goes to the log only.
package rest
