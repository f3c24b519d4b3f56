package org.dpo4j.data.chat.jinja;

import java.time.ZonedDateTime;
import java.util.Map;
import java.util.function.Supplier;

/** A parsed template. Several threads can render it at the same time. */
public final class Template {
    private final Macro.Definition definition;

    private Template(Macro.Definition definition) {
        this.definition = definition;
    }

    /** Parses a template, or throws what is wrong in it. */
    public static Template parse(String source) {
        try {
            return new Template(StatementCompiler.compileTemplate(StatementParser.parse(source)));
        } catch (StackOverflowError e) {
            throw new TemplateError("the template is nested too deeply");
        }
    }

    /**
     * Renders the template.
     *
     * @param variables values as {@link JsonValues} makes them
     * @param now what strftime_now formats
     */
    public Output render(Map<String, Object> variables, Supplier<ZonedDateTime> now) {
        Rendering rendering = new Rendering(variables, Globals.create(now));
        Frame frame = new Frame(definition.symbols().function().slots(), null, rendering, new StringBuilder());
        try {
            definition.enter().run(frame);
            definition.body().run(frame);
        } catch (StackOverflowError e) {
            throw new TemplateError("a value or a macro is nested too deeply");
        }
        return new Output(frame.out.toString(), rendering.generated());
    }
}
