package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.data.stats.ReadRow;
import org.dpo4j.io.OneLine;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Console;
import org.jspecify.annotations.Nullable;

/**
 * Shows one row: its text, and its tokens with the ones that are learnt marked. On a terminal these are green and the others
 * grey; elsewhere they are in separate lines.
 */
final class RowText {
    private static final String GREY = "\u001b[90m";
    private static final String GREEN = "\u001b[32m";
    private static final String PLAIN = "\u001b[0m";

    private final @Nullable Encoder encoder;
    private final @Nullable Tokenizer tokenizer;
    private final PrintStream out;
    private final boolean isColoured;

    private RowText(@Nullable Encoder encoder, @Nullable Tokenizer tokenizer, PrintStream out) {
        this.encoder = encoder;
        this.tokenizer = tokenizer;
        this.out = out;
        this.isColoured = Console.isStandardTerminal();
    }

    /** Prints the row whose line or element has this number. */
    static void print(
            RowSource source,
            int number,
            ColumnMap columns,
            @Nullable Encoder encoder,
            @Nullable Tokenizer tokenizer,
            PrintStream out) {
        RowText text = new RowText(encoder, tokenizer, out);
        int last = 0;
        try (Rows rows = source.open()) {
            while (true) {
                boolean isWanted = false;
                try {
                    Rows.Row row = rows.next();
                    if (row == null) {
                        throw new Dpo4jException("row " + number + " is not in " + source.name()
                                + ": its last row has number " + last + "; give another row");
                    }
                    last = row.number();
                    isWanted = last == number;
                    if (isWanted) {
                        text.print(ReadRow.read(rows.place(number), row.values(), columns));
                        return;
                    }
                } catch (BadRow bad) {
                    if (isWanted || rows.number() == number) {
                        throw ReadRow.error(rows.place(number), bad.getMessage());
                    }
                }
            }
        }
    }

    private void print(ReadRow row) throws BadRow {
        out.println(row.place() + ": " + row.format() + ", " + row.format().kind());
        int number = 0;
        for (Example example : row.examples()) {
            number++;
            if (row.examples().size() > 1) {
                out.println();
                out.println("pair " + number + " of " + row.examples().size() + ", weight " + example.weight());
            }
            text(example.content());
            if (encoder != null && example.content() instanceof Content.Messages messages) {
                out.println();
                out.println("as the chat template renders it:");
                text(encoder.rendered(messages));
            }
            if (encoder != null) {
                tokens(encoder.encode(example.content()));
            }
        }
    }

    private void text(Content content) {
        if (content instanceof Content.Text text) {
            part("prompt", text.prompt());
            for (int i = 0; i < text.completions().size(); i++) {
                part(
                        Content.completionName(i, text.completions().size()),
                        text.completions().get(i));
            }
        } else if (content instanceof Content.Messages messages) {
            messages("prompt", messages.prompt());
            for (int i = 0; i < messages.completions().size(); i++) {
                messages(
                        Content.completionName(i, messages.completions().size()),
                        messages.completions().get(i));
            }
        }
    }

    private void part(String name, @Nullable String text) {
        if (text != null) {
            out.println();
            out.println("--- " + name);
            text.lines().map(OneLine::visible).forEach(out::println);
        }
    }

    private void messages(String name, @Nullable JsonNode messages) {
        if (messages != null) {
            for (JsonNode message : messages) {
                part(
                        name + ": " + message.path("role").asText(),
                        message.path("content").asText());
            }
        }
    }

    private void tokens(Encoder.Joint joint) {
        for (int i = 0; i < joint.completions().length; i++) {
            String name = Content.completionName(i, joint.completions().length);
            int[] completion = joint.completions()[i];
            out.println();
            out.println(
                    "--- tokens of " + name + ": " + joint.prompt().length + " read, " + completion.length + " learnt");
            line("read", GREY, joint.prompt());
            line("learnt", GREEN, completion);
        }
    }

    private void line(String mark, String colour, int[] ids) {
        StringBuilder line = new StringBuilder(isColoured ? colour : mark + ": ");
        for (int id : ids) {
            line.append('|').append(token(id));
        }
        out.println(line.append('|').append(isColoured ? PLAIN : ""));
    }

    /** The text of a token; its id if it has none, as special tokens. */
    private String token(int id) {
        String text = tokenizer == null ? "" : tokenizer.decode(new int[] {id});
        return text.isEmpty() ? "<" + id + ">" : OneLine.visible(text.replace("\n", "\\n"));
    }
}
