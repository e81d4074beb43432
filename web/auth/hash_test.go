package auth_test

import (
	"encoding/base64"

	"golang.org/x/crypto/argon2"
)

// cheapHash is a stored hash as a hub with another setting would have made it.
func cheapHash(password string) string {
	salt := []byte("saltsaltsaltsalt")
	b64 := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=64,t=1,p=1$" + b64(salt) + "$" + b64(argon2.IDKey([]byte(password), salt, 1, 64, 1, 32))
}
