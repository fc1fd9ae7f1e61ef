// Renders Go templates as Ollama does: a line of stdin is {"template", "messages"}, a line of stdout
// {"text"} or {"error"}. Ollama's rules, from template/template.go of 0.33: its functions, unknown
// keys are empty, messages of one role in a row become one, .System is all that the system said.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"text/template"
	"time"
)

type message struct {
	Role, Content, Thinking, ToolName, ToolCallID string
	ToolCalls                                     []any
}

type job struct {
	Template string
	Messages []*message
}

var functions = template.FuncMap{
	"json":          func(value any) string { text, _ := json.Marshal(value); return string(text) },
	"currentDate":   func(...string) string { return time.Now().Format("2006-01-02") },
	"yesterdayDate": func(...string) string { return time.Now().AddDate(0, 0, -1).Format("2006-01-02") },
}

func merged(messages []*message) (found []*message, system string) {
	var said []string
	for _, next := range messages {
		if next.Role == "system" {
			said = append(said, next.Content)
		}
		if n := len(found); n > 0 && found[n-1].Role == next.Role {
			found[n-1].Content += "\n\n" + next.Content
		} else {
			found = append(found, next)
		}
	}
	return found, strings.Join(said, "\n\n")
}

func render(asked job) (string, error) {
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(asked.Template)
	if err != nil {
		return "", err
	}
	messages, system := merged(asked.Messages)
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{
		"Messages": messages, "System": system, "Response": "", "Tools": nil,
		"Think": false, "ThinkLevel": "", "IsThinkSet": false,
	})
	return text.String(), err
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked job
		answer := map[string]string{}
		if err := json.Unmarshal(line, &asked); err != nil {
			answer["error"] = err.Error()
		} else if text, err := render(asked); err != nil {
			answer["error"] = err.Error()
		} else {
			answer["text"] = text
		}
		written, _ := json.Marshal(answer)
		os.Stdout.Write(append(written, '\n'))
	}
}
