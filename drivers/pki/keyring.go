package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// sealKeySize is of AES-256.
const sealKeySize = 32

// sealVersion is the first part of every sealed text, so that another scheme can follow.
const sealVersion = "v1"

// Errors of a keyring; ask with errors.Is.
var (
	ErrNoKey      = errors.New("no encryption key is configured")
	ErrKeyFormat  = errors.New("encryption key is not 32 bytes in base64")
	ErrUnknownKey = errors.New("sealed with a key that is not configured")
	ErrSealBroken = errors.New("sealed text is damaged or belongs elsewhere")
)

// Keyring seals secrets for storage with AES-256-GCM. The first of its keys seals, any of them opens, so that keys rotate:
// put the new one first, seal again what is Stale, then drop the old one. It is safe for concurrent use.
type Keyring struct{ keys []sealKey }

type sealKey struct {
	id   string
	aead cipher.AEAD
}

// NewKeyring takes keys of 32 bytes each, in base64. No error says anything of a key but its place in the list.
func NewKeyring(base64Keys []string) (*Keyring, error) {
	if len(base64Keys) == 0 {
		return nil, ErrNoKey
	}
	k := &Keyring{}
	for i, text := range base64Keys {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != sealKeySize {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(base64Keys), ErrKeyFormat)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(base64Keys), err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(base64Keys), err)
		}
		k.keys = append(k.keys, sealKey{id: sealKeyID(key), aead: aead})
	}
	return k, nil
}

// sealKeyID names a key without giving it away.
func sealKeyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("jeroboam sealing key\x00"), key...))
	return hex.EncodeToString(sum[:6])
}

// Seal encrypts plaintext into printable text. The same aad must be given to Open: it says where the text belongs (the row
// and the column, for example), so that a sealed text that was moved elsewhere does not open.
func (k *Keyring) Seal(plaintext []byte, aad string) string {
	key := k.keys[0]
	header := sealVersion + "." + key.id + "."
	return header + base64.RawStdEncoding.EncodeToString(key.aead.Seal(nil, nil, plaintext, []byte(header+aad)))
}

// Open returns what was sealed: ErrUnknownKey when its key is not in the ring, ErrSealBroken when the text or aad differ.
func (k *Keyring) Open(sealed, aad string) ([]byte, error) {
	id, body, err := splitSealed(sealed)
	if err != nil {
		return nil, err
	}
	for _, key := range k.keys {
		if key.id != id {
			continue
		}
		raw, err := base64.RawStdEncoding.Strict().DecodeString(body)
		if err != nil {
			return nil, ErrSealBroken
		}
		plaintext, err := key.aead.Open(nil, nil, raw, []byte(sealVersion+"."+id+"."+aad))
		if err != nil {
			return nil, ErrSealBroken
		}
		return plaintext, nil
	}
	return nil, fmt.Errorf("%w: key id %s", ErrUnknownKey, id)
}

// Stale tells that a text was not sealed with the first key, and so is to be sealed again.
func (k *Keyring) Stale(sealed string) bool {
	id, _, err := splitSealed(sealed)
	return err != nil || id != k.keys[0].id
}

func splitSealed(sealed string) (id, body string, err error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != sealVersion || len(parts[1]) != 12 {
		return "", "", ErrSealBroken
	}
	return parts[1], parts[2], nil
}
