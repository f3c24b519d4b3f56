package org.dpo4j.data.chat;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/**
 * What a template renders.
 *
 * @param messages objects with role and content, as in the row
 * @param tools JSON schemas of functions; null if there are none
 * @param documents objects with title and text; null if there are none
 * @param variables further variables of the template: {@code chat_template_kwargs}
 */
public record Conversation(
        ArrayNode messages,
        @Nullable ArrayNode tools,
        @Nullable ArrayNode documents,
        ObjectNode variables) {}
