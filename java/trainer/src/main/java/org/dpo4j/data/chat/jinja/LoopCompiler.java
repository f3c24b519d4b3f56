package org.dpo4j.data.chat.jinja;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.chat.jinja.Code.Action;
import org.dpo4j.data.chat.jinja.Code.Flow;
import org.jspecify.annotations.Nullable;

/** Compiles a loop. */
final class LoopCompiler {
    private final Scope scope;
    private final Ast.For loop;
    private final BodyCompiler bodies;
    private final ExpressionCompiler expressions;
    private final TargetCompiler targets;
    private final Scope inner;
    private final @Nullable Integer loopSlot;

    /** {@code scope} is that of the statements around the loop. */
    LoopCompiler(Scope scope, Ast.For loop, BodyCompiler bodies) {
        this.scope = scope;
        this.loop = loop;
        this.bodies = bodies;
        expressions = new ExpressionCompiler(scope);
        targets = new TargetCompiler(expressions);
        boolean isExtended = loop.isRecursive()
                || NameWalk.undeclared(loop.body(), Set.of("loop")).contains("loop");
        new NameWalk(new NameWalk.Visitor() {
                    @Override
                    public void read(Ast.Name name) {
                        // may be read
                    }

                    @Override
                    public void assign(Ast.Name name) {
                        if (name.name().equals("loop")) {
                            throw new TemplateError("the name loop cannot be assigned in a loop", name.position());
                        }
                    }
                })
                .walk(List.of(loop));
        Scope place = loop.isRecursive() ? scope.function("a recursive loop") : scope.inner();
        inner = place.loop(loop.position());
        loopSlot = isExtended ? inner.symbols().declareParameter("loop").slot() : null;
        SymbolVisitor visitor = new SymbolVisitor(inner.symbols());
        visitor.visitTarget(loop.target(), true);
        visitor.visitAll(loop.body());
    }

    Action compile() {
        Code items = expressions.compile(loop.items());
        LoopCode body = body();
        if (!loop.isRecursive()) {
            return frame -> body.run(frame, frame, items.run(frame), null, 0);
        }
        int slots = inner.symbols().function().slots();
        return frame -> {
            frame.print(Text.str(new LoopCode.Recursive(body, slots, frame).render(items.run(frame), 0)));
            return Flow.NEXT;
        };
    }

    private LoopCode body() {
        Code.Store target = targets.compile(loop.target(), inner);
        Enter enter = new Enter(inner.symbols());
        Action action = bodies.compile(inner, loop.body());
        Scope last = loop.isRecursive() ? inner : scope;
        Scope otherwise = new Scope(
                new Symbols(scope.symbols(), last.symbols().function()),
                false,
                last.buffer(),
                loop.isRecursive() ? 0 : scope.loops(),
                new HashSet<>());
        new SymbolVisitor(otherwise.symbols()).visitAll(loop.otherwise());
        Action otherwiseAction = bodies.compile(otherwise, loop.otherwise());
        return new LoopCode(
                loopSlot,
                test(),
                target,
                enter,
                action,
                loop.otherwise().isEmpty() ? null : otherwiseAction,
                new Enter(otherwise.symbols()));
    }

    private LoopCode.@Nullable Condition test() {
        if (loop.test() == null) {
            return null;
        }
        Scope tested = scope.inner();
        SymbolVisitor visitor = new SymbolVisitor(tested.symbols());
        visitor.visitTarget(loop.target(), true);
        visitor.visit(loop.test());
        return new LoopCode.Condition(
                new Enter(tested.symbols()),
                targets.compile(loop.target(), tested),
                new ExpressionCompiler(tested).compile(loop.test()));
    }
}
