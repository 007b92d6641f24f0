package patch

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func (l *literal) number() (any, error) {
	sign := ""
	if c := l.rest[0]; c == '+' || c == '-' {
		l.rest = l.rest[1:]
		l.peek()
		if c == '-' {
			sign = "-"
		}
	}
	end := 0
	for end < len(l.rest) && (isWordByte(l.rest[end]) || l.rest[end] == '.' || isExponentSign(l.rest[:end], l.rest[end])) {
		end++
	}
	text := l.rest[:end]
	n, err := readNumber(text)
	if err != nil {
		return nil, err
	}
	l.rest = l.rest[end:]
	if sign != "" && n != "0" {
		n = json.Number(sign) + n
	}
	return n, nil
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isExponentSign(before string, c byte) bool {
	if c != '+' && c != '-' || before == "" || strings.HasPrefix(strings.ToLower(before), "0x") {
		return false
	}
	last := before[len(before)-1]
	return last == 'e' || last == 'E'
}

// readNumber reads a number without a sign as Python does. Go's own readers know the same forms, and some more.
func readNumber(text string) (json.Number, error) {
	bad := fmt.Errorf("%.20q is no number", text)
	switch {
	case text == "" || !strings.ContainsAny(text[:1], ".0123456789"):
		return "", bad
	case len(text) > maxDigits:
		return "", fmt.Errorf("a number has more than %d digits", maxDigits)
	}
	based := len(text) > 1 && text[0] == '0' && strings.ContainsAny(text[1:2], "xXoObB")
	if !based && strings.ContainsAny(text, ".eE") {
		return readFloat(text, bad)
	}
	if !based && text[0] == '0' && strings.Trim(text, "0_") != "" {
		return "", bad // 017
	}
	n, ok := new(big.Int).SetString(text, 0)
	if !ok {
		return "", bad
	}
	return json.Number(n.String()), nil
}

func readFloat(text string, bad error) (json.Number, error) {
	if strings.Trim(strings.ToLower(text), "0123456789._e+-") != "" || !underscoresOK(text) {
		return "", bad
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil {
		return "", bad
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		format = 'e'
	}
	s := strconv.FormatFloat(f, format, -1, 64)
	if format == 'f' && !strings.Contains(s, ".") {
		s += ".0"
	}
	return json.Number(s), nil
}

// underscoresOK: they stand between digits only.
func underscoresOK(s string) bool {
	isDigit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i := range len(s) {
		if s[i] == '_' && (!isDigit(i-1) || !isDigit(i+1)) {
			return false
		}
	}
	return true
}
