package log

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Inner    []map[string]string
}

func (c credentials) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("name", c.Name)
	enc.AddString("password", c.Password)
	return nil
}

func TestMask(t *testing.T) {
	const s = "s3cr3t"
	login := credentials{Name: "kept", Password: s}
	tests := []struct {
		name  string
		field zap.Field
		kept  string // what must still be read
	}{
		{"password", zap.String("password", s), ""},
		{"part of a name", zap.String("os_admin-Password_old", s), ""},
		{"camel case", zap.String("privateKey", s), ""},
		{"token", zap.String("X-Auth-Token", s), ""},
		{"authorization", zap.String("Authorization", "Bearer "+s), ""},
		{"secret", zap.Strings("secrets", []string{s}), ""},
		{"kubeconfig", zap.ByteString("kubeconfig", []byte(s)), ""},
		{"user data", zap.Binary("user_data", []byte(s)), ""},
		{"encryption keys", zap.Any("encryption_keys", []string{s}), ""},
		{"where a secret is", zap.String("secret_ref", "http://barbican/kept"), "http://barbican/kept"},
		{"map", zap.Any("request", map[string]string{"token": s, "a": "kept"}), "kept"},
		{"headers", zap.Any("headers", http.Header{"X-Auth-Token": {s}, "Accept": {"kept"}}), "kept"},
		{"struct", zap.Reflect("login", struct {
			Name  string
			Inner credentials
		}{"kept", login}), "kept"},
		{"list of maps", zap.Any("login", struct{ A []map[string]string }{[]map[string]string{{"token": s, "a": "kept"}}}), "kept"},
		{"object", zap.Object("login", login), "kept"},
		{"inline object", zap.Inline(login), "kept"},
		{"objects", zap.Objects("logins", []credentials{login}), "kept"},
		{"dictionary", zap.Dict("d", zap.String("token", s), zap.String("a", "kept")), "kept"},
		{"URL", zap.String("url", "mysql+pymysql://kept:"+s+"@db/x"), "kept:***@db/x"},
		{"URL in an error", zap.Error(fmt.Errorf("dial: %w", errors.New("amqps://u:"+s+"@h/ refused"))), "refused"},
		{"URL in a list", zap.Strings("urls", []string{"http://u:" + s + "@kept"}), "kept"},
		{"hosts of a transport URL", zap.String("url", "rabbit://a:"+s+"@h1:5672,b:"+s+"@h2:5672/v"), "rabbit://a:***@h1:5672,b:***@h2:5672/v"},
		{"URL without a password", zap.String("url", "http://u@kept:80/a:b"), "http://u@kept:80/a:b"},
		{"private key in a text", zap.String("text", "-----BEGIN RSA PRIVATE KEY-----\n"+s), ""},
		{"private key in a stringer", zap.Stringer("text", text("-----BEGIN PRIVATE KEY-----"+s)), ""},
		{"Keystone token in a text", zap.String("text", "token gAAAAAB"+s+"-_0123456789== is bad"), "is bad"},
		{"in bytes", zap.ByteString("text", []byte("http://u:"+s+"@kept")), "kept"},
	}
	for _, tc := range tests {
		for _, json := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/json=%v", tc.name, json), func(t *testing.T) {
				once := logged(t, Config{UseJSON: json}, func(l *zap.Logger) { l.Info("x", tc.field) })
				always := logged(t, Config{UseJSON: json}, func(l *zap.Logger) { l.With(tc.field).Info("x") })
				for _, got := range []string{once, always} {
					if strings.Contains(got, s) || strings.Contains(got, "czNjcjN0") {
						t.Errorf("the secret can be read: %s", got)
					}
					if !strings.Contains(got, tc.kept) || tc.kept == "" && !strings.Contains(got, masked) {
						t.Errorf("%q cannot be read: %s", tc.kept, got)
					}
				}
			})
		}
	}
}

type text string

func (t text) String() string { return string(t) }

func TestMaskMessage(t *testing.T) {
	got := logged(t, Config{}, func(l *zap.Logger) { l.Info("dial amqp://u:s3cret@h") })
	if !strings.HasSuffix(got, "dial amqp://u:***@h\n") {
		t.Error(got)
	}
}

// TestMaskLeavesTheCallersValue: masking works on a copy.
func TestMaskLeavesTheCallersValue(t *testing.T) {
	m := map[string]any{"token": "t", "list": []any{map[string]any{"password": "p"}}}
	logged(t, Config{}, func(l *zap.Logger) { l.Info("x", zap.Any("m", m)) })
	if m["token"] != "t" || m["list"].([]any)[0].(map[string]any)["password"] != "p" {
		t.Errorf("changed to %v", m)
	}
}
