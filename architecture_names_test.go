package main_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// qualified is a name in a comment: of a package or a type of ours, and of what that has.
var qualified = regexp.MustCompile(`(?:^|[^\w./\-"'` + "`" + `])([A-Za-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)

// room returns the name of the package, which its external tests share.
func (s source) room() string { return strings.TrimSuffix(s.syntax.Name.Name, "_test") }

// declared returns our packages, what they declare, and the fields and methods of their types. A star stands for
// members that the declaration does not show, such as those of an embedded type.
func declared(sources []source) map[string]bool {
	names := map[string]bool{}
	unknown := []*ast.Field{{}}
	for _, s := range sources {
		if s.syntax == nil || s.room() == "runtime" { // Go has a package of this name, too
			continue
		}
		names[s.room()] = true
		add := func(name string, members []*ast.Field) {
			name = s.room() + "." + name
			names[name] = true
			for _, field := range members {
				names[name+".*"] = names[name+".*"] || len(field.Names) == 0
				for _, member := range field.Names {
					names[name+"."+member.Name] = true
				}
			}
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					add(n.Name.Name, unknown)
				} else {
					add(typeName(n.Recv.List[0].Type)+"."+n.Name.Name, nil)
				}
				return false
			case *ast.ValueSpec:
				for _, name := range n.Names {
					add(name.Name, unknown)
				}
			case *ast.TypeSpec:
				members := unknown
				switch t := n.Type.(type) {
				case *ast.StructType:
					members = t.Fields.List
				case *ast.InterfaceType:
					members = t.Methods.List
				}
				add(n.Name.Name, members)
			}
			return true
		})
	}
	return names
}

// nameFaults finds names in comments that do not exist. It skips blocks of code: their variables may have the names of
// our packages.
func nameFaults(sources []source) []string {
	names := declared(sources)
	var faults []string
	for _, s := range sources {
		if s.syntax == nil || s.generated {
			continue
		}
		for _, comment := range commentsOf(s.syntax) {
			for _, m := range qualified.FindAllStringSubmatch(comment.Text, -1) {
				of, name := m[1], m[1]+"."+m[2]
				if typed := s.room() + "." + of; names[typed] {
					of, name = typed, typed+"."+m[2]
				} else if !names[of] || strings.HasPrefix(comment.Text, "//\t") {
					continue
				} else if m[3] != "" && names[name] {
					of, name = name, name+"."+m[3]
				}
				if !names[name] && !names[of+".*"] {
					faults = append(faults, fmt.Sprintf("%s: line %d: a comment has %s, which does not exist", s.path, s.line(comment.Pos()), name))
				}
			}
		}
	}
	return faults
}

func commentsOf(file *ast.File) (comments []*ast.Comment) {
	for _, group := range file.Comments {
		comments = append(comments, group.List...)
	}
	return comments
}
