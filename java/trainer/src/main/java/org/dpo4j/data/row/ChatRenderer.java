package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.chat.ChatTemplate;
import org.dpo4j.data.chat.ChatTemplate.End;
import org.dpo4j.data.chat.Conversation;
import org.dpo4j.data.chat.Rendered;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.kernels.Dpo4jException;

/** Renders the messages of rows with the model's chat template. */
record ChatRenderer(RowOptions options) {
    /** Chars that an error shows of a text, before and behind the place that it is about. */
    private static final int SHOWN = 40;

    private static final String TOOL_CALLS = "tool_calls";

    /** The prompt, up to the header of the answer, as generation renders it. */
    String prompt(ArrayNode messages, Content.ChatVariables variables) throws BadRow {
        return render(messages, variables, End.GENERATION_PROMPT).text();
    }

    /** The messages, as they are. */
    Rendered whole(ArrayNode messages, Content.ChatVariables variables) throws BadRow {
        return render(messages, variables, End.AS_IS);
    }

    /** A prompt to generate from: the last message of an assistant is continued. */
    String start(ArrayNode messages, Content.ChatVariables variables) throws BadRow {
        boolean isContinued = Messages.isAssistant(messages, messages.size() - 1);
        return render(messages, variables, isContinued ? End.CONTINUE_FINAL_MESSAGE : End.GENERATION_PROMPT)
                .text();
    }

    /** The texts that are tokenised: the prompt, and what follows it with each completion. */
    Content.Text text(Content.Messages messages) throws BadRow {
        ArrayNode start = messages.prompt();
        if (start == null) {
            String text =
                    whole(messages.completions().get(0), messages.variables()).text();
            return new Content.Text(null, List.of(text));
        }
        String prompt = prompt(start, messages.variables());
        List<String> texts = new ArrayList<>();
        int common = prompt.length();
        for (int i = 0; i < messages.completions().size(); i++) {
            ArrayNode all = Messages.joined(start, messages.completions().get(i));
            String text = whole(all, messages.variables()).text();
            checkPrompt(
                    prompt,
                    text,
                    Content.completionName(i, messages.completions().size()));
            common = Math.min(common, common(prompt, text));
            texts.add(text);
        }
        int end = common;
        return new Content.Text(
                prompt.substring(0, end),
                texts.stream().map(text -> text.substring(end)).toList());
    }

    /** Throws if the text of a conversation does not begin with that of its prompt, and is not to be cut. */
    void checkPrompt(String prompt, String whole, String completion) throws BadRow {
        if (whole.startsWith(prompt) || options.onPromptMismatch() == OnPromptMismatch.CUT) {
            return;
        }
        int same = common(prompt, whole);
        throw new BadRow(
                BadRow.Reason.PROMPT_DIFFERS,
                "the chat template renders the prompt as " + shown(prompt, same)
                        + ", and with " + completion + " behind it as " + shown(whole, same) + "; from character "
                        + (same + 1) + " on they differ. Use a template that renders a prompt the same way, or let"
                        + " on_prompt_mismatch cut the prompt there");
    }

    /**
     * Throws if the assistant calls functions and the template renders the same text without the calls, so that nothing of
     * them is learnt. {@code begin} is the first message to learn.
     */
    void checkCalls(ArrayNode messages, int begin, Content.ChatVariables variables, String whole) throws BadRow {
        ArrayNode without = messages.deepCopy();
        boolean hasCalls = false;
        for (int i = begin; i < messages.size(); i++) {
            boolean isCall = Messages.isAssistant(messages, i)
                    && !messages.get(i).path(TOOL_CALLS).isEmpty();
            hasCalls |= isCall;
            if (isCall && without.get(i) instanceof ObjectNode message) {
                message.remove(TOOL_CALLS);
            }
        }
        if (hasCalls && isRenderedAs(whole, without, variables)) {
            throw new BadRow(
                    BadRow.Reason.CALLS_LEFT_OUT,
                    "the chat template writes nothing of the assistant's tool_calls, so the answer would be learnt without"
                            + " them; use a template that writes calls of functions, or leave the row out");
        }
    }

    /** Whether messages are rendered as this text; false if the template refuses them. */
    private boolean isRenderedAs(String text, ArrayNode messages, Content.ChatVariables variables) {
        try {
            return whole(messages, variables).text().equals(text);
        } catch (BadRow refused) {
            return false;
        }
    }

    private static int common(String prompt, String whole) {
        int same = 0;
        while (same < Math.min(prompt.length(), whole.length()) && prompt.charAt(same) == whole.charAt(same)) {
            same++;
        }
        return same;
    }

    private static String shown(String text, int place) {
        int begin = Math.max(0, place - SHOWN);
        int end = Math.min(text.length(), place + SHOWN);
        return (begin > 0 ? "..." : "")
                + Values.quoted(text.substring(begin, end))
                + (end < text.length() ? "..." : "");
    }

    private Rendered render(ArrayNode messages, Content.ChatVariables variables, End end) throws BadRow {
        ChatTemplate template = template(variables.tools() != null);
        Conversation conversation =
                new Conversation(messages, variables.tools(), variables.documents(), variables.others());
        try {
            return template.render(conversation, end);
        } catch (Dpo4jException e) {
            throw new BadRow(BadRow.Reason.CHAT_TEMPLATE, String.valueOf(e.getMessage()));
        }
    }

    private ChatTemplate template(boolean hasTools) throws BadRow {
        ChatTemplate template = options.templates().find(hasTools);
        if (template == null) {
            throw new BadRow(
                    BadRow.Reason.CHAT_TEMPLATE,
                    "it has messages, and the model directory has no chat template; add chat_template.jinja to it, or"
                            + " give text");
        }
        return template;
    }
}
