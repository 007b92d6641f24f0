package log

import (
	"slices"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// encoder writes one line.
type encoder interface {
	EncodeEntry(zapcore.Entry, []zapcore.Field) (*buffer.Buffer, error)
}

// core keeps fields as they are until a line is written, so that a later field
// can replace an earlier one, and masks them.
type core struct {
	zapcore.LevelEnabler
	enc    encoder
	out    zapcore.WriteSyncer
	fields []zapcore.Field // masked
}

func (c *core) With(fields []zapcore.Field) zapcore.Core {
	clone := *c
	clone.fields = merge(c.fields, fields)
	return &clone
}

func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Message = maskText(e.Message)
	line, err := c.enc.EncodeEntry(e, merge(c.fields, fields))
	if err != nil {
		return err
	}
	_, err = c.out.Write(line.Bytes())
	line.Free()
	if err == nil && e.Level > zapcore.ErrorLevel {
		err = c.Sync() // the process may be about to end
	}
	return err
}

func (c *core) Sync() error { return c.out.Sync() }

// merge adds fields, masked, to those that are masked already. Of fields with
// the same name the last one stays, in the place of the first. Within a
// namespace names are not compared.
func merge(masked, more []zapcore.Field) []zapcore.Field {
	all := slices.Grow(slices.Clone(masked), len(more))
	scoped := slices.ContainsFunc(all, isNamespace)
	for _, f := range more {
		if f.Type == zapcore.SkipType {
			continue
		}
		f = maskField(f)
		at := -1
		if scoped = scoped || isNamespace(f); !scoped {
			at = slices.IndexFunc(all, func(old zapcore.Field) bool { return old.Key == f.Key })
		}
		if at >= 0 {
			all[at] = f
		} else {
			all = append(all, f)
		}
	}
	return all
}

func isNamespace(f zapcore.Field) bool { return f.Type == zapcore.NamespaceType }
