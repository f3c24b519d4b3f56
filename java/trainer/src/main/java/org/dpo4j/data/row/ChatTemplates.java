package org.dpo4j.data.row;

import java.nio.file.Path;
import org.dpo4j.data.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;

/**
 * The chat templates of a model directory, which are read when the first row with messages needs them: a template that
 * cannot be used is no error for rows of text. Several threads can use it at the same time.
 */
public final class ChatTemplates {
    /** No templates. */
    public static final ChatTemplates NONE = new ChatTemplates(null);

    /** The name of transformers' template for messages with tools. */
    private static final String TOOL_USE = "tool_use";

    /** The two templates; null where the directory has none. */
    private record Found(
            @Nullable ChatTemplate general, @Nullable ChatTemplate forTools) {}

    private final @Nullable Path directory;
    private @Nullable Found found;

    private ChatTemplates(@Nullable Path directory) {
        this.directory = directory;
    }

    public static ChatTemplates in(Path modelDirectory) {
        return new ChatTemplates(modelDirectory);
    }

    /** The template for messages, which may come with tools; null if there is none. */
    @Nullable
    ChatTemplate find(boolean hasTools) {
        Found templates = found();
        return hasTools && templates.forTools != null ? templates.forTools : templates.general;
    }

    private synchronized Found found() {
        Found known = found;
        if (known == null) {
            known = directory == null
                    ? new Found(null, null)
                    : new Found(ChatTemplate.find(directory), ChatTemplate.find(directory, TOOL_USE));
            found = known;
        }
        return known;
    }

    /** The directory. A hash of its files is part of the tokenizer's text. */
    @Override
    public String toString() {
        return "of " + directory;
    }
}
