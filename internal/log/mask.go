package log

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// masked stands for what must not be read.
const masked = "***"

// secretParts are parts of the names, in lower case and without - and _, of
// what must not be read. User data holds keys and tokens.
var secretParts = []string{
	"password", "passwd", "passphrase", "token", "secret", "privatekey", "apikey", "encryptionkey",
	"authorization", "cookie", "kubeconfig", "userdata",
}

func isSecretName(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	if strings.HasSuffix(name, "ref") { // where a secret is, and not what it is
		return false
	}
	for _, part := range secretParts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

var (
	// urlPassword is the password of a URL, or of a further host in the list of
	// hosts that a transport_url has.
	urlPassword = regexp.MustCompile(`([/,][^/@\s:,]*:)[^@\s,]+@`)
	// keystoneToken is a fernet token.
	keystoneToken = regexp.MustCompile(`gAAAA[\w-]{16,}=*`)
)

// maskText masks what looks like a secret inside a text.
func maskText(text string) string {
	if strings.Contains(text, "PRIVATE KEY-----") {
		return masked
	}
	if strings.Contains(text, "://") {
		text = urlPassword.ReplaceAllString(text, "${1}"+masked+"@")
	}
	if strings.Contains(text, "gAAAA") {
		text = keystoneToken.ReplaceAllString(text, masked)
	}
	return text
}

// maskField masks a field by its name, and texts and names within its value.
func maskField(f zapcore.Field) zapcore.Field {
	if isNamespace(f) {
		return f
	}
	if isSecretName(f.Key) {
		return zap.String(f.Key, masked)
	}
	switch f.Type {
	case zapcore.StringType:
		f.String = maskText(f.String)
	case zapcore.ByteStringType:
		return zap.String(f.Key, maskText(string(f.Interface.([]byte))))
	case zapcore.ErrorType, zapcore.StringerType:
		// fmt survives an Error or String method that panics.
		return zap.String(f.Key, maskText(fmt.Sprint(f.Interface)))
	case zapcore.ObjectMarshalerType, zapcore.InlineMarshalerType, zapcore.ArrayMarshalerType, zapcore.ReflectType:
		return maskNested(f)
	}
	return f
}

// maskNested looks into a value with an inner structure. One that has nothing
// to mask stays as it is.
func maskNested(f zapcore.Field) zapcore.Field {
	enc := zapcore.NewMapObjectEncoder()
	f.AddTo(enc)
	var found bool
	for name, value := range enc.Fields {
		plain, err := toPlain(value)
		if err != nil {
			return zap.String(f.Key, "not loggable: "+maskText(err.Error()))
		}
		if isSecretName(name) {
			plain, found = masked, true
		}
		enc.Fields[name] = maskValue(plain, &found)
	}
	switch {
	case !found:
		return f
	case f.Type == zapcore.InlineMarshalerType:
		return zap.Inline(zapcore.ObjectMarshalerFunc(func(out zapcore.ObjectEncoder) error {
			for name, value := range enc.Fields {
				if err := out.AddReflected(name, value); err != nil {
					return err
				}
			}
			return nil
		}))
	default:
		return zap.Reflect(f.Key, enc.Fields[f.Key])
	}
}

// toPlain sends a value through JSON, so that only maps, lists and scalars are
// left, under the names that the log would show.
func toPlain(value any) (plain any, err error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&plain)
	return plain, err
}

// maskValue masks in place what has a secret name or text, at any depth.
func maskValue(value any, found *bool) any {
	switch v := value.(type) {
	case string:
		if text := maskText(v); text != v {
			*found = true
			return text
		}
	case []any:
		for i := range v {
			v[i] = maskValue(v[i], found)
		}
	case map[string]any:
		for name := range v {
			if isSecretName(name) {
				v[name], *found = masked, true
			} else {
				v[name] = maskValue(v[name], found)
			}
		}
	}
	return value
}
