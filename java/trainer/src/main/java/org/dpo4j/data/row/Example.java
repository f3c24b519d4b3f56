package org.dpo4j.data.row;

/** What a row says, before it is tokenised. A row has one example or, with ranked answers, several pairs. */
public sealed interface Example {

    /** The prompt and its completions. */
    Content content();

    /** The factor of this example's loss: the column {@code weight}, by default 1. */
    float weight();

    /**
     * A chosen and a rejected completion: the first and second completion of {@code content}.
     *
     * @param reference log-probs of the reference that the row states
     */
    record Pair(Content content, float weight, ReferenceSums reference) implements Example {}

    /** One completion to learn. */
    record Single(Content content, float weight) implements Example {}

    /**
     * One completion that was judged good or bad.
     *
     * @param label whether it is good
     */
    record Judged(Content content, boolean label, float weight) implements Example {}

    /**
     * Sums of log-probs of the two completions under the reference model.
     *
     * @param chosen NaN if the row does not state them
     * @param rejected NaN exactly if {@code chosen} is
     */
    record ReferenceSums(float chosen, float rejected) {
        public static final ReferenceSums NONE = new ReferenceSums(Float.NaN, Float.NaN);
    }
}
