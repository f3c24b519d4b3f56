package org.dpo4j.cli;

import java.util.Arrays;
import java.util.Locale;
import java.util.function.BiConsumer;
import org.dpo4j.data.Truncation;
import org.dpo4j.data.row.Encoder;

/**
 * The tokens of a prompt and a completion, each with what training does with it.
 *
 * @param ids the token ids, with those that are cut
 * @param marks one for each token
 */
record MarkedTokens(int[] ids, Mark[] marks) {

    /** What training does with a token. */
    enum Mark {
        /** It is read, but not learnt: tokens of the prompt, and what assistant_only_loss leaves out. */
        READ("\u001b[90m"),
        /** It is a target of the loss. */
        LEARNT("\u001b[32m"),
        /** It is cut, because the row is too long. */
        CUT("\u001b[31m");

        /** Escape sequence of a terminal: grey, green, red. */
        final String colour;

        Mark(String colour) {
            this.colour = colour;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The tokens of completion {@code index} and its prompt, of which {@code kept} are kept. */
    static MarkedTokens of(Encoder.Joint joint, int index, Truncation.Kept kept, Truncation truncation) {
        int[] completion = joint.completions()[index];
        int begin = joint.prompt().length;
        int[] ids = Arrays.copyOf(joint.prompt(), begin + completion.length);
        System.arraycopy(completion, 0, ids, begin, completion.length);
        Mark[] marks = new Mark[ids.length];
        Arrays.fill(marks, Mark.CUT);
        Arrays.fill(marks, kept.promptBegin(), kept.promptEnd(), Mark.READ);
        Arrays.fill(marks, begin + kept.completionBegin(), begin + kept.completionEnd(), Mark.READ);
        int[] learnt = truncation.completion(kept, completion);
        int first = begin + kept.completionEnd() - learnt.length;
        System.arraycopy(learnt, 0, ids, first, learnt.length); // keep_eos may have replaced the last one
        boolean[] targets = joint.targets();
        for (int i = first; i < begin + kept.completionEnd(); i++) {
            marks[i] = targets == null || targets[i - begin] ? Mark.LEARNT : Mark.READ;
        }
        return new MarkedTokens(ids, marks);
    }

    /** The number of tokens with this mark. */
    int count(Mark mark) {
        return (int) Arrays.stream(marks).filter(each -> each == mark).count();
    }

    /** Passes on the tokens in order, those with the same mark together. */
    void forEachRun(BiConsumer<Mark, int[]> receiver) {
        for (int begin = 0, end; begin < ids.length; begin = end) {
            end = begin;
            while (end < ids.length && marks[end] == marks[begin]) {
                end++;
            }
            receiver.accept(marks[begin], Arrays.copyOfRange(ids, begin, end));
        }
    }
}
