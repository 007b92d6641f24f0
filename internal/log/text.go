package log

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// textEncoder writes lines as oslo.log does by default:
//
//	time PID LEVEL logger [request user project - - -] message key=value …
//
// with [-] for a line that belongs to no request. One entry is one line, except
// for a stack trace, each line of which starts like the entry.
type textEncoder struct {
	pid  int
	pool buffer.Pool
}

// bracketKeys are the fields that oslo.log has a place for, in its order.
func bracketKeys() []string {
	return []string{keyRequest, keyUser, keyProject, "domain_id", "user_domain_id", "project_domain_id"}
}

func (t *textEncoder) EncodeEntry(e zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	name := e.LoggerName
	if name == "" {
		name = "jeroboam"
	}
	bracket, rest := splitBracket(fields)
	start := fmt.Sprintf("%s %d %s %s %s ", e.Time.Format("2006-01-02 15:04:05.000"), t.pid, levelName(e.Level), name, bracket)
	line := t.pool.Get()
	line.AppendString(start)
	line.AppendString(oneLine(e.Message))
	prefix := ""
	for _, f := range rest {
		if isNamespace(f) {
			prefix += f.Key + "."
			continue
		}
		appendField(line, prefix, f)
	}
	if e.Caller.Defined {
		line.AppendString(" caller=" + e.Caller.TrimmedPath())
	}
	line.AppendByte('\n')
	if e.Stack != "" {
		for frame := range strings.SplitSeq(e.Stack, "\n") {
			line.AppendString(start + oneLine(frame) + "\n")
		}
	}
	return line, nil
}

// splitBracket takes the fields that stand in the bracket out of the others. A
// line without a request keeps user and project among the others.
func splitBracket(fields []zapcore.Field) (string, []zapcore.Field) {
	keys := bracketKeys()
	place := make([]string, len(keys))
	var rest []zapcore.Field
	for i, f := range fields {
		if isNamespace(f) {
			rest = append(rest, fields[i:]...)
			break
		}
		at := slices.Index(keys, f.Key)
		if at >= 0 && f.Type == zapcore.StringType {
			place[at] = f.String
		} else {
			rest = append(rest, f)
		}
	}
	if place[0] == "" {
		return "[-]", fields
	}
	for i := range place {
		if place[i] == "" {
			place[i] = "-"
		} else {
			place[i] = quoted(place[i])
		}
	}
	return "[" + strings.Join(place, " ") + "]", rest
}

// appendField writes " key=value". A field can expand to several.
func appendField(line *buffer.Buffer, prefix string, f zapcore.Field) {
	enc := zapcore.NewMapObjectEncoder()
	f.AddTo(enc)
	for _, key := range slices.Sorted(maps.Keys(enc.Fields)) {
		line.AppendString(" " + prefix + quoted(key) + "=" + valueText(enc.Fields[key]))
	}
}

func valueText(value any) string {
	switch v := value.(type) {
	case string:
		return quoted(v)
	case time.Duration:
		return v.String()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr, float32, float64, complex64, complex128:
		return fmt.Sprint(v)
	}
	data, err := json.Marshal(value) // keeps it on one line
	if err != nil {
		return quoted("not loggable: " + err.Error())
	}
	return string(data)
}

// quoted quotes what would not be read back as one value.
func quoted(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool {
		return r == ' ' || r == '=' || r == '"' || r == '[' || r == ']' || !unicode.IsPrint(r)
	}) {
		return strconv.Quote(text)
	}
	return text
}

// oneLine escapes what could make a text look like a line of its own, or steer
// a terminal.
func oneLine(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) {
		return text
	}
	quotedText := strconv.Quote(text)
	return quotedText[1 : len(quotedText)-1]
}
