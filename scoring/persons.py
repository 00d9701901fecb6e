"""Models rate organisations. One that names an attribute of natural persons is refused, whatever it is for.

Regulation (EU) 2024/1689 art. 5(1)(c) bans the social scoring of natural persons; and what is known of an
organisation's owners, representatives or staff is data about them.
"""

import re
from itertools import pairwise

_WORDS = frozenset(
    """
    birth birthday birthdate birthplace caste children citizen citizenship consumer disability driver drivers
    email employee employees ethnic ethnicity family father gender guardian health household husband id_card
    idcard individual individuals manager managers marital marriage mobile mother nationality native official
    owner owners passport people person personal persons phone pregnancy race religion religious
    representative representatives resident residents sex sexual shareholder shareholders signatory spouse ssn
    staff surname telephone wife worker workers
    """.split()  # noqa: SIM905  a list of words reads best as one
)
_NAMES = frozenset({"age", "ages", "dob", "id_number", "identity_number", "id_no", "first_name", "last_name"})
_CHINESE = tuple(
    """
    年龄 性别 国籍 民族 籍贯 种族 出生 生日 身份证 护照 姓名 法定代表人 法人代表 负责人 经营者 股东 投资人
    合伙人 实际控制人 自然人 个人 员工 职工 雇员 从业人员 驾驶员 司机 董事 监事 高管 手机 电话 邮箱
    家庭 婚姻 配偶 子女 父母 宗教 信仰 健康 残疾 病史 学历 户籍
    """.split()  # noqa: SIM905
)
_SPLIT = re.compile(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+")


def attribute(name: str) -> bool:
    """Tell whether a name is that of something that only natural persons have or are."""
    if any(word in name for word in _CHINESE):
        return True
    words = [word.lower() for word in _SPLIT.split(name) if word]
    return "_".join(words) in _NAMES or any(
        part in _WORDS or part in _NAMES
        for part in (*words, *(f"{one}_{two}" for one, two in pairwise(words)))
    )
