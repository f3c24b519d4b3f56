package org.dpo4j.data.chat.jinja;

import java.util.List;
import org.dpo4j.data.chat.jinja.Ast.Expr;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.jspecify.annotations.Nullable;

/** Finds the names that a scope reads and assigns, in order. It does not enter the scopes inside. */
final class SymbolVisitor {
    private Symbols symbols;

    SymbolVisitor(Symbols symbols) {
        this.symbols = symbols;
    }

    void visitAll(List<Stmt> body) {
        body.forEach(this::visit);
    }

    private void visit(Stmt statement) {
        if (statement instanceof Ast.Print print) {
            visit(print.value());
        } else if (statement instanceof Ast.If branches) {
            visitIf(branches.branches(), branches.otherwise());
        } else if (statement instanceof Ast.For loop) {
            visit(loop.items());
        } else if (statement instanceof Ast.SetValue set) {
            visit(set.value());
            visitTarget(set.target(), false);
        } else if (statement instanceof Ast.SetBlock set) {
            visitTarget(set.target(), false);
        } else if (statement instanceof Ast.MacroBlock macro) {
            symbols.store(macro.name());
        } else if (statement instanceof Ast.CallBlock block) {
            visit(block.call());
        } else if (statement instanceof Ast.FilterBlock block) {
            visit(block.filter());
        } else if (statement instanceof Ast.With with) {
            with.values().forEach(this::visit);
        }
    }

    /** jinja2 reads the elif branches as one branch with an if for each of them. */
    private void visitIf(List<Ast.Branch> branches, List<Stmt> otherwise) {
        Ast.Branch first = branches.get(0);
        visit(first.test());
        Symbols original = symbols;
        Symbols body = original.branch();
        symbols = body;
        visitAll(first.body());
        Symbols elifs = original.branch();
        symbols = elifs;
        for (Ast.Branch elif : branches.subList(1, branches.size())) {
            visitIf(List.of(elif), List.of());
        }
        Symbols last = original.branch();
        symbols = last;
        visitAll(otherwise);
        symbols = original;
        symbols.merge(List.of(body, elifs, last));
    }

    void visitTarget(Expr target, boolean isParameter) {
        if (target instanceof Ast.TupleLiteral tuple) {
            tuple.items().forEach(item -> visitTarget(item, isParameter));
        } else if (target instanceof Ast.NamespaceRef reference) {
            symbols.read(reference.name());
        } else if (target instanceof Ast.Name name) {
            if (isParameter) {
                symbols.declareParameter(name.name());
            } else {
                symbols.store(name.name());
            }
        }
    }

    void visit(@Nullable Expr expression) {
        if (expression != null) {
            new NameWalk(new NameWalk.Visitor() {
                        @Override
                        public void read(Ast.Name name) {
                            if (name.name().equals("self")) {
                                throw new TemplateError("the name self is not supported", name.position());
                            }
                            symbols.read(name.name());
                        }

                        @Override
                        public void assign(Ast.Name name) {
                            // expressions assign nothing
                        }
                    })
                    .walk(expression);
        }
    }
}
