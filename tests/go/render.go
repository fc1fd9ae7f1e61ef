// Renders Go templates as Ollama does: a line of stdin is a job, a line of stdout {"text"} or
// {"error"}. Ollama's rules, from template/template.go and api/types.go of 0.33: its functions,
// unknown keys are empty, messages of one role in a row become one but for results of tools, .System
// is all that the system said, of a tool only the fields below are kept, and maps have no order.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"text/template"
	"time"
)

// A chat; messages have the names that templates use. Think is null, true or false; Day is today, as 2006-01-02.
type job struct {
	Template string
	Messages []*message
	Tools    []tool
	Think    *bool
	Day      string
}

type message struct {
	Role, Content, Thinking, ToolName, ToolCallID string
	ToolCalls                                     []toolCall
}

type toolCall struct {
	ID       string
	Function struct {
		Index     int
		Name      string
		Arguments arguments
	}
}

type arguments map[string]any

func (a arguments) String() string { return written(a) }

type tool struct {
	Type     string `json:"type"`
	Items    any    `json:"items,omitempty"`
	Function struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Parameters  struct {
			Type       string              `json:"type"`
			Defs       any                 `json:"$defs,omitempty"`
			Items      any                 `json:"items,omitempty"`
			Required   []string            `json:"required,omitempty"`
			Properties map[string]property `json:"properties"`
		} `json:"parameters"`
	} `json:"function"`
}

type property struct {
	AnyOf       []property          `json:"anyOf,omitempty"`
	Type        kinds               `json:"type,omitempty"`
	Items       any                 `json:"items,omitempty"`
	Description string              `json:"description,omitempty"`
	Enum        []any               `json:"enum,omitempty"`
	Properties  map[string]property `json:"properties,omitempty"`
}

// One type stands alone, several as a list.
type kinds []string

func (k *kinds) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*k = kinds{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(k))
}

func (k kinds) MarshalJSON() ([]byte, error) {
	if len(k) == 1 {
		return json.Marshal(k[0])
	}
	return json.Marshal([]string(k))
}

func (k kinds) String() string { return strings.Join(k, " ") }

func written(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

var today time.Time

func day(after int) func(...string) string {
	return func(...string) string { return today.AddDate(0, 0, after).Format("2006-01-02") }
}

var functions = template.FuncMap{"json": written, "currentDate": day(0), "yesterdayDate": day(-1)}

var known = map[string]*template.Template{}

func parse(text string) (*template.Template, error) {
	if made, ok := known[text]; ok {
		return made, nil
	}
	made, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(text)
	if err == nil {
		known[text] = made
	}
	return made, err
}

func merged(messages []*message) (found []*message, system string) {
	var said []string
	for _, next := range messages {
		if next.Role == "system" {
			said = append(said, next.Content)
		}
		if n := len(found); n > 0 && found[n-1].Role == next.Role && next.Role != "tool" {
			found[n-1].Content += "\n\n" + next.Content
		} else {
			found = append(found, next)
		}
	}
	return found, strings.Join(said, "\n\n")
}

func render(asked job) (string, error) {
	parsed, err := parse(asked.Template)
	if err != nil {
		return "", err
	}
	if today, err = time.Parse("2006-01-02", asked.Day); err != nil {
		today = time.Now()
	}
	messages, system := merged(asked.Messages)
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{
		"Messages": messages, "System": system, "Response": "", "Tools": asked.Tools,
		"Think": asked.Think != nil && *asked.Think, "ThinkLevel": "", "IsThinkSet": asked.Think != nil,
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
