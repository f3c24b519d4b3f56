package org.dpo4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.dpo4j.data.TextStream;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.chat.ChatTemplate;
import org.dpo4j.data.chat.ChatTemplate.End;
import org.dpo4j.data.chat.Conversation;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Generator;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * A conversation with a model. Each answer continues the text that the chat template renders of all messages so far. Keys
 * are computed only from the first token on that differs from the text before: a template may render earlier messages
 * differently once others follow.
 */
final class ChatSession {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Generator generator;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final Generator.Options options;
    private final List<String> stopStrings;
    private final long seed;
    private final int maxPositions;
    private @Nullable String system;
    private final ArrayNode turns = JSON.arrayNode();
    private int answers;

    ChatSession(
            Generator generator,
            Tokenizer tokenizer,
            ChatTemplate template,
            GenerationOptions.Resolved generation,
            Architecture architecture,
            long seed) {
        this.generator = generator;
        this.tokenizer = tokenizer;
        this.template = template;
        this.stopStrings = generation.stopStrings();
        this.options = withStops(generation.options(), endOfTurn(), architecture.vocabSize());
        this.seed = seed;
        this.maxPositions = architecture.maxPositions();
    }

    private static Generator.Options withStops(Generator.Options given, Set<Integer> stops, int vocabulary) {
        Set<Integer> all = new HashSet<>(given.stopTokens());
        stops.stream().filter(id -> id < vocabulary).forEach(all::add);
        return new Generator.Options(
                given.maxNewTokens(), given.maxLength(), given.minNewTokens(), given.sampling(), all);
    }

    /**
     * The tokens that end an answer: the special token that the template writes after it, such as {@code <|im_end|>}, and
     * the tokenizer's EOS. Both are needed, because some model directories name as EOS only the token that ends a document.
     */
    private Set<Integer> endOfTurn() {
        Set<Integer> ends = new HashSet<>();
        Integer eos = tokenizer.eosTokenId();
        if (eos != null) {
            ends.add(eos);
        }
        String answer = "dpo4j";
        ArrayNode messages = JSON.arrayNode();
        messages.addObject().put("role", "user").put("content", "a");
        messages.addObject().put("role", "assistant").put("content", answer);
        try {
            String text = render(messages, End.AS_IS);
            int end = text.lastIndexOf(answer);
            int[] behind = end < 0 ? new int[0] : tokenizer.encode(text.substring(end + answer.length()));
            if (behind.length > 0 && tokenizer.decode(new int[] {behind[0]}).isEmpty()) {
                ends.add(behind[0]);
            }
        } catch (Dpo4jException e) {
            return ends; // the template demands other messages, or the tokenizer has no token for their text
        }
        return ends;
    }

    /** Sets the system message, or removes it if it is null. The other messages stay. */
    void setSystem(@Nullable String text) {
        system = text;
    }

    /** Forgets all messages but the system message. */
    void clear() {
        turns.removeAll();
    }

    /**
     * Answers a message. If the template refuses the conversation, or it has too many tokens, the message is forgotten.
     *
     * @param written receives the answer piece by piece
     * @param isStopped whether to end the answer after the next token
     * @return what cut the answer; null if it ended by itself or was stopped
     */
    @Nullable
    String answer(String message, Consumer<String> written, BooleanSupplier isStopped) {
        turns.addObject().put("role", "user").put("content", message);
        try {
            int[] prompt = tokenizer.encode(render(conversation(), End.GENERATION_PROMPT));
            TextStream stream = new TextStream(tokenizer, prompt, stopStrings);
            int[] answer = generate(prompt, stream, written, isStopped);
            written.accept(stream.end());
            turns.addObject().put("role", "assistant").put("content", stream.text());
            answers++;
            return stream.isStopped() ? null : cut(prompt.length, answer);
        } catch (Dpo4jException e) {
            turns.remove(turns.size() - 1);
            throw e;
        }
    }

    private @Nullable String cut(int prompt, int[] answer) {
        if (options.stopTokens().contains(answer[answer.length - 1])) {
            return null;
        }
        if (answer.length >= options.maxNewTokens()) {
            return "max_new_tokens";
        }
        return prompt + answer.length < maxPositions
                ? null
                : "the model's last position, " + maxPositions + "; /clear forgets the messages so far";
    }

    private int[] generate(int[] prompt, TextStream stream, Consumer<String> written, BooleanSupplier isStopped) {
        if (prompt.length == 0) {
            throw new Dpo4jException(
                    "the chat template writes nothing for the conversation; correct the template, or give"
                            + " another one with chat_template");
        }
        if (prompt.length >= maxPositions) {
            throw new Dpo4jException("the conversation has " + prompt.length + " tokens, but must have at most "
                    + (maxPositions - 1) + " to leave room for an answer; shorten the message, or give /clear, which"
                    + " forgets the earlier ones");
        }
        Generator.Request request = new Generator.Request(prompt, 1, seed + answers);
        return generator.generateTurn(request, options, (number, sample, token) -> {
            written.accept(stream.add(token));
            return !stream.isStopped() && !isStopped.getAsBoolean();
        });
    }

    private ArrayNode conversation() {
        ArrayNode messages = JSON.arrayNode();
        if (system != null) {
            messages.addObject().put("role", "system").put("content", system);
        }
        return messages.addAll(turns);
    }

    private String render(ArrayNode messages, End end) {
        return template.render(new Conversation(messages, null, null, JSON.objectNode()), end)
                .text();
    }
}
