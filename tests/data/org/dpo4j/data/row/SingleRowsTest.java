package org.dpo4j.data.row;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.data.row.ReadRows.BLUE;
import static org.dpo4j.data.row.ReadRows.SKY;
import static org.dpo4j.data.row.ReadRows.assertRefused;
import static org.dpo4j.data.row.ReadRows.one;
import static org.dpo4j.data.row.ReadRows.show;

import java.util.List;
import org.dpo4j.data.row.RowFormat.Kind;
import org.junit.jupiter.api.Test;

/** What rows with one completion say, to learn or judged. */
class SingleRowsTest {
    @Test
    void completionsToLearn() {
        assertThat(show(one("{'text':'a b'}", Kind.SINGLE).content())).isEqualTo("null | a b");
        assertThat(show(one("{'prompt':'a','completion':'b'}", Kind.SINGLE).content()))
                .isEqualTo("a | b");
        assertThat(show(one("{'prompt':[" + SKY + "],'completion':[" + BLUE + "]}", Kind.SINGLE)
                        .content()))
                .isEqualTo("user: Sky? | assistant: Blue.");
        String whole = " | user: Sky? / assistant: Blue.";
        assertThat(show(one("{'messages':[" + SKY + "," + BLUE + "]}", Kind.SINGLE)
                        .content()))
                .isEqualTo(whole);
        assertThat(show(one("{'messages':[" + SKY + "," + BLUE + "],'prompt':'Sky?','prompt_id':'x'}", Kind.SINGLE)
                        .content()))
                .isEqualTo(whole);
        assertThat(show(one(
                                "{'conversations':[{'from':'human','value':'Sky?'},{'from':'gpt','value':'Blue.'}]}",
                                Kind.SINGLE)
                        .content()))
                .isEqualTo(whole);
        assertThat(show(one("{'instruction':'Sky?','input':'','output':'Blue.','rejected':'x'}", Kind.SINGLE)
                        .content()))
                .isEqualTo("user: Sky? | assistant: Blue.");
    }

    @Test
    void judgedAnswers() {
        for (String row : List.of(
                "{'prompt':[" + SKY + "],'completion':[" + BLUE + "],'label':true}",
                "{'messages':[" + SKY + "," + BLUE + "],'label':1}",
                "{'conversations':[{'from':'human','value':'Sky?'},{'from':'gpt','value':'Blue.'}],'kto_tag':true}",
                "{'instruction':'Sky?','output':'Blue.','kto_tag':true}")) {
            Example.Judged judged = (Example.Judged) one(row, Kind.JUDGED);
            assertThat(show(judged.content())).isEqualTo("user: Sky? | assistant: Blue.");
            assertThat(judged.label()).isTrue();
        }
        assertThat(((Example.Judged) one("{'prompt':'p','completion':'a','label':0}", Kind.JUDGED)).label())
                .isFalse();
        assertRefused(
                "{'prompt':'p','completion':'a','label':'true'}",
                Kind.JUDGED,
                "label is the text \"true\"; give true or false, or 1 or 0");
        assertRefused(
                "{'prompt':'p','completion':'a','label':2}", Kind.JUDGED, "label is 2; give true or false, or 1 or 0");
        assertRefused(
                "{'prompt':'p','completion':'a','label':true}",
                Kind.SINGLE,
                "it has [prompt, completion, label], one judged completion; give [text] or [prompt, completion] or"
                        + " [messages] or [ids] or [prompt_ids, completion_ids]");
    }
}
