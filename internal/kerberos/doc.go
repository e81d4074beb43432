// Package kerberos is the client's side of Kerberos logins: it finds tickets where MIT's programs keep them (or gets them by a keytab), and makes
// the tokens of HTTP's Negotiate scheme, with gokrb5.
//
// It reads a krb5.conf as MIT's library does where gokrb5 does not: settings that gokrb5 takes for errors, and files that are included.
// Credential caches must be files; of the others, only the programs that made them can read them, and the error says what to do.
package kerberos
