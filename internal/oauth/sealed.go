package oauth

import (
	"bytes"
	"context"
	"errors"
	"io"

	"filippo.io/age"
)

// The work factors of scrypt, as powers of two: that of new files takes 32 MiB of memory
// and a tenth of a second. Passphrases of commands are not short.
const (
	workFactor    = 15
	maxWorkFactor = 20
)

// What can be wrong with an encrypted file.
var (
	// ErrWrongKey: the passphrase is not that of the file.
	ErrWrongKey = errors.New("it cannot be decrypted with the passphrase that TokenKeyCmd prints")
	// ErrNoKey: the file is encrypted, but there is no passphrase.
	ErrNoKey = errors.New("it is encrypted, but TokenKeyCmd is not set")
)

// agePrefix begins a file of age.
const agePrefix = "age-encryption.org/v1\n"

// open decrypts the contents of a file if they are encrypted.
func (s *FileStore) open(ctx context.Context, data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte(agePrefix)) {
		return data, nil
	}
	if s.Key == nil {
		return nil, ErrNoKey
	}
	key, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(key)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(data), id)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong || errors.Is(err, age.ErrIncorrectIdentity) {
		if s.WrongKey != nil {
			s.WrongKey()
		}
		return nil, ErrWrongKey
	}
	if err != nil {
		return nil, ErrDamaged
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxGrant+1))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// seal encrypts the contents of a file if there is a passphrase.
func (s *FileStore) seal(ctx context.Context, data []byte) ([]byte, error) {
	if s.Key == nil {
		return data, nil
	}
	key, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(key)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(workFactor)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
