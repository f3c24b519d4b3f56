package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.data.chat.jinja.Ast.Stmt;
import org.dpo4j.data.chat.jinja.Code.Action;
import org.jspecify.annotations.Nullable;

/** Compiles the bodies of macros, call blocks and generation blocks, which run when they are called. */
final class MacroCompiler {
    private final Scope scope;
    private final BodyCompiler bodies;

    /** {@code scope} is that of the statements around the body. */
    MacroCompiler(Scope scope, BodyCompiler bodies) {
        this.scope = scope;
        this.bodies = bodies;
    }

    /** {@code buffer} is the name of the body in errors. */
    Macro.Definition compile(
            @Nullable String name, Ast.Signature signature, List<Stmt> body, String buffer, Position position) {
        Scope inner = scope.function(buffer);
        Symbols symbols = inner.symbols();
        analyse(signature, body, symbols);
        List<Integer> slots = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (Ast.Name parameter : signature.parameters()) {
            Symbols.Variable variable = Objects.requireNonNull(symbols.reference(parameter.name()));
            inner.pending().add(variable);
            slots.add(variable.slot());
            names.add(parameter.name());
        }
        if (names.contains("caller")) {
            throw new TemplateError("a parameter named caller is not supported", position);
        }
        Set<String> undeclared = NameWalk.undeclared(body, Set.of("caller", "kwargs", "varargs"));
        int caller = special("caller", undeclared, names, symbols);
        int named = special("kwargs", undeclared, names, symbols);
        int rest = special("varargs", undeclared, names, symbols);
        analyse(signature, body, symbols);
        List<@Nullable Code> defaults = defaults(signature, inner);
        Action action = bodies.compile(inner, body);
        return new Macro.Definition(
                name, names, slots, defaults, caller, named, rest, symbols, new Enter(symbols), action);
    }

    private static void analyse(Ast.Signature signature, List<Stmt> body, Symbols symbols) {
        SymbolVisitor visitor = new SymbolVisitor(symbols);
        signature.parameters().forEach(parameter -> visitor.visitTarget(parameter, true));
        signature.defaults().forEach(visitor::visit);
        visitor.visitAll(body);
    }

    private static int special(String name, Set<String> undeclared, List<String> parameters, Symbols symbols) {
        return undeclared.contains(name) && !parameters.contains(name)
                ? symbols.declareParameter(name).slot()
                : -1;
    }

    /** Compiled defaults; each sees the parameters before it. */
    private static List<@Nullable Code> defaults(Ast.Signature signature, Scope inner) {
        List<@Nullable Code> defaults = new ArrayList<>();
        int without = signature.parameters().size() - signature.defaults().size();
        ExpressionCompiler compiler = new ExpressionCompiler(inner);
        for (int i = 0; i < signature.parameters().size(); i++) {
            defaults.add(
                    i < without ? null : compiler.compile(signature.defaults().get(i - without)));
            Ast.Name parameter = signature.parameters().get(i);
            inner.pending().remove(inner.symbols().reference(parameter.name()));
        }
        return defaults;
    }
}
