package rpm

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Signature is a signature header: digests and OpenPGP signatures. Koji keeps one per signing key beside each rpm
// (what it calls a sighdr) and splices it into the rpm when a signed copy is written.
type Signature struct {
	Tags
	raw []byte
}

// Raw gives the signature header with its padding: what Koji's rip_rpm_sighdr gives, addRPMSig takes and Splice
// writes. The caller must not change it.
func (s *Signature) Raw() []byte { return s.raw }

// MD5 is the MD5 of header and payload in hex, "" when there is none.
func (s *Signature) MD5() string { return hex.EncodeToString(s.Bytes(SigTagMD5)) }

// ParseSignature reads a signature header that stands alone, as addRPMSig gets it. Bytes behind it other than
// its padding are an error.
func ParseSignature(raw []byte) (*Signature, error) {
	r := bytes.NewReader(raw)
	s, err := readSignature(r, &memory{})
	if err != nil {
		return nil, fmt.Errorf("parse signature header: %w", err)
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("parse signature header: %w: %d bytes behind it", ErrMalformed, r.Len())
	}
	return &s, nil
}

// sigAlign is what a signature header's size is padded to.
const sigAlign = 8

func readSignature(r io.Reader, m *memory) (Signature, error) {
	t, raw, err := readTags(r, limits{MaxSignatureTags, MaxSignatureData}, m)
	if err != nil {
		return Signature{}, err
	}
	if n := len(raw) % sigAlign; n != 0 {
		pad := make([]byte, sigAlign-n)
		if _, err := io.ReadFull(r, pad); err != nil {
			return Signature{}, short(err)
		}
		raw = append(raw, pad...)
	}
	return Signature{t, raw}, nil
}

// Key is the key that signed, as Koji names it: the last 8 hex digits of the key id, "" when there is no
// signature. The first kind of signature that is present counts, in Koji's order (GPG, PGP, DSA, RSA, then rpm 6's OpenPGP).
func (s *Signature) Key() (string, error) {
	keys, err := s.Keys()
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return keys[0][len(keys[0])-8:], nil
}

// Keys gives the ids (16 hex digits) of the keys of all signatures, in the order of Key and without repetition.
func (s *Signature) Keys() ([]string, error) {
	var packets [][]byte
	for _, tag := range []Tag{SigTagGPG, SigTagPGP, SigTagDSA, SigTagRSA} {
		if b := s.Bytes(tag); len(b) > 0 {
			packets = append(packets, b)
		}
	}
	for _, text := range s.RawStrings(SigTagOpenPGP) {
		b, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return nil, fmt.Errorf("%w: OpenPGP signature is not base64", ErrMalformed)
		}
		packets = append(packets, b)
	}
	var keys []string
	seen := map[string]bool{}
	for _, p := range packets {
		id, err := KeyID(p)
		if err != nil {
			return nil, err
		}
		if key := hex.EncodeToString(id[:]); !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys, nil
}

var errPacket = errors.New("malformed OpenPGP signature packet")

// KeyID reads the issuer's key id from one OpenPGP signature packet of version 3, 4 or 6 (RFC 9580, 5.2). A
// version 4 or 6 signature may name its issuer by key id or by fingerprint; if it names two keys, that is an error.
func KeyID(packet []byte) (id [8]byte, err error) {
	body, err := signatureBody(packet)
	if err != nil {
		return id, err
	}
	if len(body) == 0 {
		return id, fmt.Errorf("%w: empty", errPacket)
	}
	switch v := body[0]; v {
	case 3: // version, hashed length, type, 4 bytes of time, key id
		if len(body) < 15 {
			return id, fmt.Errorf("%w: too short", errPacket)
		}
		copy(id[:], body[7:15])
		return id, nil
	case 4, 6:
		return issuer(body)
	default:
		return id, fmt.Errorf("OpenPGP signature of unknown version %d", v)
	}
}

// signatureBody takes the packet header off (RFC 9580, 4.2) and checks that it is a signature.
func signatureBody(p []byte) ([]byte, error) {
	const signaturePacket = 2
	if len(p) < 2 || p[0]&0x80 == 0 {
		return nil, fmt.Errorf("%w: not a packet", errPacket)
	}
	kind, rest, size := int(p[0]&0x3f), p[1:], 0
	if p[0]&0x40 == 0 { // old format: the length's size stands in the tag
		kind = int(p[0]>>2) & 0xf
		n := 1 << (p[0] & 3)
		if n == 8 { // to the end
			size = len(rest)
		} else {
			if len(rest) < n {
				return nil, fmt.Errorf("%w: too short", errPacket)
			}
			for _, c := range rest[:n] {
				size = size<<8 | int(c)
			}
			rest = rest[n:]
		}
	} else {
		n, used := packetLength(rest, 224)
		if used == 0 {
			return nil, fmt.Errorf("%w: bad length", errPacket)
		}
		size, rest = n, rest[used:]
	}
	if kind != signaturePacket {
		return nil, fmt.Errorf("%w: packet of type %d", errPacket, kind)
	}
	if size != len(rest) {
		return nil, fmt.Errorf("%w: %d bytes, %d announced", errPacket, len(rest), size)
	}
	return rest, nil
}

// packetLength reads a length of the new format. From the byte `two` on it is no two-byte length any more: 224
// in packets, where partial lengths follow (no signature has them), 255 in subpackets. used is 0 when it cannot be read.
func packetLength(b []byte, two byte) (n, used int) {
	switch {
	case len(b) == 0:
		return 0, 0
	case b[0] < 192:
		return int(b[0]), 1
	case b[0] < two && len(b) >= 2:
		return (int(b[0])-192)<<8 + int(b[1]) + 192, 2
	case b[0] == 255 && len(b) >= 5:
		return int(b[1])<<24 | int(b[2])<<16 | int(b[3])<<8 | int(b[4]), 5
	}
	return 0, 0
}

// issuer reads the key id from the hashed and unhashed subpackets of a version 4 or 6 signature.
func issuer(body []byte) (id [8]byte, err error) {
	width := 2 // of the subpacket areas' lengths
	if body[0] == 6 {
		width = 4
	}
	found := false
	rest := body[min(4, len(body)):] // version, type, key algorithm, hash algorithm
	for range 2 {
		if len(rest) < width {
			return id, fmt.Errorf("%w: too short", errPacket)
		}
		size := 0
		for _, c := range rest[:width] {
			size = size<<8 | int(c)
		}
		rest = rest[width:]
		if size > len(rest) {
			return id, fmt.Errorf("%w: subpackets past the end", errPacket)
		}
		ids, err := subpacketIDs(rest[:size])
		if err != nil {
			return id, err
		}
		for _, x := range ids {
			if found && x != id {
				return id, fmt.Errorf("%w: two issuers", errPacket)
			}
			id, found = x, true
		}
		rest = rest[size:]
	}
	if !found {
		return id, fmt.Errorf("%w: no issuer", errPacket)
	}
	return id, nil
}

// subpacketIDs collects the issuers that an area of subpackets names.
func subpacketIDs(b []byte) ([][8]byte, error) {
	const (
		issuerKeyID       = 16
		issuerFingerprint = 33
	)
	var out [][8]byte
	for len(b) > 0 {
		n, used := packetLength(b, 255)
		if used == 0 || n == 0 || n > len(b)-used {
			return nil, fmt.Errorf("%w: bad subpacket", errPacket)
		}
		sub := b[used : used+n]
		b = b[used+n:]
		var id []byte
		switch data := sub[1:]; sub[0] & 0x7f { // the high bit says critical
		case issuerKeyID:
			if len(data) == 8 {
				id = data
			}
		case issuerFingerprint: // version, fingerprint: its last 8 bytes in version 4, its first in version 6
			if len(data) == 21 && data[0] == 4 {
				id = data[13:]
			} else if len(data) == 33 && data[0] == 6 {
				id = data[1:9]
			}
		default:
			continue
		}
		if id == nil {
			return nil, fmt.Errorf("%w: bad issuer", errPacket)
		}
		out = append(out, [8]byte(id))
	}
	return out, nil
}

// Splice copies the rpm in src to dst with its signature header replaced: how a signed copy is made of an
// unsigned rpm and a kept signature header (Koji's splice_rpm_sighdr).
func Splice(dst io.Writer, src io.Reader, sighdr []byte) error {
	if _, err := ParseSignature(sighdr); err != nil {
		return err
	}
	lead := make([]byte, LeadSize)
	if _, err := io.ReadFull(src, lead); err != nil {
		return fmt.Errorf("splice signature header: %w: shorter than an rpm's lead", ErrNotRPM)
	}
	if _, err := readSignature(src, &memory{}); err != nil {
		return fmt.Errorf("splice signature header: %w", err)
	}
	for _, b := range [][]byte{lead, sighdr} {
		if _, err := dst.Write(b); err != nil {
			return fmt.Errorf("splice signature header: %w", err)
		}
	}
	if _, err := io.Copy(dst, src); err != nil {
		return fmt.Errorf("splice signature header: %w", err)
	}
	return nil
}
