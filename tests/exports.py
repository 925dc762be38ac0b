"""Small exports as CRMs write them, invented, and what the mappings in ``examples/`` make of them.

An event is told as ``deal stage when attributes``; a spend as ``spend_recorded when attributes``.
"""

from typing import Final, NamedTuple


class Export(NamedTuple):
    files: dict[str, str]
    """Name → text."""
    events: str
    """Worked out by hand, in the order of the rows; what all rows together tell comes last."""
    money: dict[str, str]
    """Stage or type and currency → the sum of the amounts."""
    skipped: int = 0
    """Rows left out on purpose."""
    unchanged: int = 0
    """Rows of a history in which the stage is the one before."""


HUBSPOT: Final = Export(
    {
        "hubspot-crm-exports-deals.csv": '''\
"Record ID","Deal Name","Pipeline","Deal Stage","Amount","Close Date","Create Date",\
"Last Modified Date","Deal owner","Original Traffic Source","Closed Lost Reason",\
"Date entered ""Appointment Scheduled (Sales Pipeline)""",\
"Date entered ""Qualified To Buy (Sales Pipeline)""",\
"Date entered ""Presentation Scheduled (Sales Pipeline)""",\
"Date entered ""Decision Maker Bought-In (Sales Pipeline)""",\
"Date entered ""Contract Sent (Sales Pipeline)""",\
"Date entered ""Closed Won (Sales Pipeline)""",\
"Date entered ""Closed Lost (Sales Pipeline)"""
"10676775051","Acme, 20 seats","Sales Pipeline","Closed Won","1200.50","2026-03-20 11:00",\
"2026-02-02 09:30","2026-03-21 08:00","Ann Example","Paid Search","",\
"2026-02-02 09:30","2026-02-05 10:00","2026-02-12 14:20","","2026-03-01 16:45","2026-03-20 11:00",""
"10676775052","Beta","Sales Pipeline","Contract Sent","800","2026-04-30 23:59",\
"2026-03-03 08:00","2026-03-30 07:15","Bob Example","","",\
"2026-03-03 08:00","","","","2026-03-28 12:00","",""
"10676775053","Gamma","Sales Pipeline","Closed Lost","","2026-03-10 17:05",\
"2026-03-04 13:00","2026-03-10 17:05","Ann Example","Offline Sources","Price; too late",\
"2026-03-04 13:00","","","","","","2026-03-10 17:05"
'''
    },
    """\
10676775051 lead 2026-02-02T09:30:00+01:00 channel=Paid Search; owner=Ann Example; pipeline=default
10676775051 qualified 2026-02-05T10:00:00+01:00
10676775051 potential 2026-02-12T14:20:00+01:00
10676775051 offer 2026-03-01T16:45:00+01:00
10676775051 won 2026-03-20T11:00:00+01:00 amount=1200.5 EUR
10676775051 deal_updated 2026-03-21T08:00:00+01:00 amount=1200.5 EUR
10676775052 lead 2026-03-03T08:00:00+01:00 owner=Bob Example; pipeline=default
10676775052 offer 2026-03-28T12:00:00+01:00
10676775052 deal_updated 2026-03-30T07:15:00+02:00 amount=800 EUR
10676775053 lead 2026-03-04T13:00:00+01:00 channel=Offline Sources; owner=Ann Example; \
pipeline=default
10676775053 lost 2026-03-10T17:05:00+01:00 lost_reason=Price; too late
10676775053 deal_updated 2026-03-10T17:05:00+01:00
""",
    {"won EUR": "1200.5", "deal_updated EUR": "2000.5"},
)

SALESFORCE_HISTORY: Final = Export(
    {
        "OpportunityHistory.csv": """\
"Id","OpportunityId","CreatedById","CreatedDate","StageName","Amount","ExpectedRevenue",\
"CloseDate","Probability","ForecastCategory","SystemModstamp","IsDeleted"
"008A5","006A00000000001AAA","005A1","2026-03-20 15:00:00","Closed Won","9500","9500",\
"2026-03-20","100","Closed","2026-03-20 15:00:00","0"
"008A4","006A00000000001AAA","005A1","2026-03-10 12:30:00","Proposal/Price Quote","9500","7125",\
"2026-03-31","75","BestCase","2026-03-10 12:30:00","0"
"008A3","006A00000000001AAA","005A1","2026-03-05 09:00:00","Proposal/Price Quote","10000","7500",\
"2026-03-31","75","BestCase","2026-03-05 09:00:00","0"
"008A2","006A00000000001AAA","005A1","2026-02-20 10:00:00","Prospecting","","",\
"2026-03-31","10","Pipeline","2026-02-20 10:00:00","0"
"008A1","006A00000000001AAA","005A1","2026-02-18 23:30:00","Prospecting","","",\
"2026-02-28","10","Pipeline","2026-02-18 23:30:00","0"
"008B1","006A00000000002AAA","005A2","2026-03-01 08:00:00","Qualification","500","50",\
"2026-05-01","10","Pipeline","2026-03-01 08:00:00","1"
""",
        "Opportunity.csv": """\
"Id","IsDeleted","AccountId","Name","StageName","Amount","LeadSource","OwnerId","CreatedDate"
"006A00000000001AAA","0","001A1","Acme","Closed Won","9500","Web","005A1","2026-02-18 23:30:00"
"006A00000000002AAA","1","001A2","Test","Qualification","500","","005A2","2026-03-01 08:00:00"
""",
        "User.csv": '"Id","Name"\n"005A1","Ann Example"\n"005A2","Bob Example"\n',
    },
    """\
006A00000000001AAA deal_updated 2026-03-20T15:00:00Z amount=9500 USD
006A00000000001AAA deal_updated 2026-03-10T12:30:00Z amount=9500 USD
006A00000000001AAA deal_updated 2026-03-05T09:00:00Z amount=10000 USD
006A00000000001AAA deal_updated 2026-02-20T10:00:00Z
006A00000000001AAA deal_updated 2026-02-18T23:30:00Z
006A00000000001AAA lead 2026-02-18T23:30:00Z channel=Web; owner=Ann Example
006A00000000001AAA offer 2026-03-05T09:00:00Z amount=10000 USD; channel=Web; owner=Ann Example
006A00000000001AAA won 2026-03-20T15:00:00Z amount=9500 USD; channel=Web; owner=Ann Example
""",
    {"offer USD": "10000", "won USD": "9500", "deal_updated USD": "29000"},
    skipped=1,
    unchanged=2,
)

SALESFORCE_REPORT: Final = Export(
    {
        "report1774915200000.csv": """\
"Opportunity ID","Opportunity Name","Stage","Amount","Probability (%)","Close Date",\
"Created Date","Last Stage Change Date","Opportunity Owner","Lead Source","Closed"
"006A0000001abcd","Acme","Closed Won","12,500.00","100","3/20/2026",\
"1/31/2026","3/20/2026, 3:45 PM","Ann Example","Web","1"
"006A0000001abcE","Beta","Proposal/Price Quote","800.00","75","4/30/2026",\
"3/2/2026","3/28/2026, 12:05 AM","Bob Example","","0"
"006A0000001abce","Gamma","Qualification","","10","5/31/2026",\
"3/3/2026","","Bob Example","Partner Referral","0"
"006A0000001abcf","Delta","Closed Lost","300.00","0","3/4/2026",\
"3/4/2026","3/4/2026, 9:00 AM","Ann Example","Web","1"
"""
    },
    """\
006A0000001abcd lead 2026-01-31T00:00:00-05:00 channel=Web; owner=Ann Example
006A0000001abcd won 2026-03-20T00:00:00-04:00 amount=12500 USD
006A0000001abcE lead 2026-03-02T00:00:00-05:00 owner=Bob Example
006A0000001abcE offer 2026-03-28T00:05:00-04:00 amount=800 USD
006A0000001abce lead 2026-03-03T00:00:00-05:00 channel=Partner Referral; owner=Bob Example
006A0000001abce qualified 2026-03-03T00:00:00-05:00
006A0000001abcf lead 2026-03-04T00:00:00-05:00 channel=Web; owner=Ann Example
006A0000001abcf lost 2026-03-04T00:00:00-05:00 amount=300 USD
""",
    {"won USD": "12500", "offer USD": "800", "lost USD": "300"},
)

PIPEDRIVE: Final = Export(
    {
        "deals-1234567-89.csv": """\
"Deal - ID","Deal - Title","Deal - Owner","Deal - Value","Deal - Currency of Value",\
"Deal - Pipeline","Deal - Stage","Deal - Status","Deal - Deal created","Deal - Update time",\
"Deal - Last stage change","Deal - Won time","Deal - Lost time","Deal - Lost reason"
"17","Acme","Ann Example","1200","EUR","Pipeline","Negotiations Started","Won",\
"2026-02-02 09:30:00","2026-03-21 08:00:00","2026-03-10 10:00:00","2026-03-20 11:00:00","",""
"18","Beta","Bob Example","800.50","USD","Partners","Proposal Made","Open",\
"2026-03-03 08:00:00","2026-03-30 07:00:00","2026-03-28 12:00:00","","",""
"19","Gamma","Bob Example","0","EUR","Pipeline","Qualified","Lost",\
"2026-03-04 13:00:00","2026-03-10 17:05:00","","","2026-03-10 17:05:00","Price"
"""
    },
    """\
17 lead 2026-02-02T09:30:00+02:00 owner=Ann Example; pipeline=default
17 negotiation 2026-03-10T10:00:00+02:00
17 won 2026-03-20T11:00:00+02:00 amount=1200 EUR
18 lead 2026-03-03T08:00:00+02:00 owner=Bob Example; pipeline=Partners
18 offer 2026-03-28T12:00:00+02:00
18 deal_updated 2026-03-30T07:00:00+03:00 amount=800.5 USD
19 lead 2026-03-04T13:00:00+02:00 owner=Bob Example; pipeline=default
19 qualified 2026-03-04T13:00:00+02:00
19 lost 2026-03-10T17:05:00+02:00 amount=0 EUR; lost_reason=Price
""",
    {"won EUR": "1200", "deal_updated USD": "800.5", "lost EUR": "0"},
)

ZOHO: Final = Export(
    {
        "Deals_2026_03_31.csv": """\
Record Id,Deal Owner.id,Deal Owner,Amount,Deal Name,Closing Date,Stage,Pipeline,Lead Source,\
Reason For Loss,Created Time,Modified Time,Stage Modified Time
zcrm_4150868000000376008,zcrm_4150868000000225013,Ann Example,60000,Acme,2026-03-20,Closed Won,\
Standard (Standard),Advertisement,,2026-02-02 09:30:00,2026-03-21 08:00:00,2026-03-20 11:00:00
zcrm_4150868000000376009,zcrm_4150868000000225014,Bob Example,8000.5,Beta,2026-04-30,\
Proposal/Price Quote,Standard (Standard),,,2026-03-03 08:00:00,2026-03-30 07:00:00,\
2026-03-28 12:00:00
zcrm_4150868000000376010,zcrm_4150868000000225014,Bob Example,,Gamma,2026-03-10,\
Closed Lost to Competition,Renewals,,Price,2026-03-04 13:00:00,2026-03-10 17:05:00,\
2026-03-10 17:05:00
zcrm_4150868000000376011,zcrm_4150868000000225014,Bob Example,,Delta,2026-06-30,Qualification,\
Standard (Standard),,,2026-03-05 13:00:00,2026-03-05 13:00:00,
"""
    },
    """\
zcrm_4150868000000376008 lead 2026-02-02T09:30:00+05:30 channel=Advertisement; \
owner=Ann Example; pipeline=default
zcrm_4150868000000376008 won 2026-03-20T11:00:00+05:30 amount=60000 INR
zcrm_4150868000000376009 lead 2026-03-03T08:00:00+05:30 owner=Bob Example; pipeline=default
zcrm_4150868000000376009 offer 2026-03-28T12:00:00+05:30 amount=8000.5 INR
zcrm_4150868000000376010 lead 2026-03-04T13:00:00+05:30 owner=Bob Example; pipeline=Renewals
zcrm_4150868000000376010 lost 2026-03-10T17:05:00+05:30 lost_reason=Price
zcrm_4150868000000376011 lead 2026-03-05T13:00:00+05:30 owner=Bob Example; pipeline=default
zcrm_4150868000000376011 qualified 2026-03-05T13:00:00+05:30
""",
    {"won INR": "60000", "offer INR": "8000.5"},
)

BITRIX24: Final = Export(
    {
        "DEAL_20260331_a1b2c3.csv": """\
"ID";"Deal Name";"Stage";"Income";"Currency";"Product";"Price";"Quantity";"Responsible";\
"Pipeline";"Closed";"Created";"Modified";"Assumed close date";"Source";
"17";"Acme";"Deal won";"1000.50";"Euro";"Seats";"500.25";"2";"Ann Example";\
"General";"Yes";"02.02.2026 09:30:00";"21.03.2026 08:00:00";"20.03.2026";"Website";
"17";"Acme";"Deal won";"200";"Euro";"Training; two days";"200";"1";"Ann Example";\
"General";"Yes";"02.02.2026 09:30:00";"21.03.2026 08:00:00";"20.03.2026";"Website";
"18";"Beta";"Invoice";"800";"US Dollar";"";"";"";"Bob Example";\
"Partners";"No";"03.03.2026 08:00:00";"28.03.2026 12:00:00";"30.04.2026";"";
"19";"Gamma";"Analyze failure";"0";"Euro";"";"";"";"Bob Example";\
"General";"Yes";"04.03.2026 13:00:00";"10.03.2026 17:05:00";"04.03.2026";"Call";
"""
    },
    """\
17 lead 2026-02-02T09:30:00+01:00 channel=Website; owner=Ann Example; pipeline=default
18 lead 2026-03-03T08:00:00+01:00 owner=Bob Example; pipeline=Partners
19 lead 2026-03-04T13:00:00+01:00 channel=Call; owner=Bob Example; pipeline=default
17 won 2026-03-20T00:00:00+01:00 amount=1200.5 EUR
18 offer 2026-03-28T12:00:00+01:00 amount=800 USD
19 lost 2026-03-04T13:00:00+01:00 amount=0 EUR
""",
    {"won EUR": "1200.5", "offer USD": "800", "lost EUR": "0"},
)

SPEND: Final = Export(
    {
        "spend-2026.csv": """\
Month,Channel,Spend
2026-01,Google Ads,"1,200.00"
2026-01,Facebook,300
2026-01,Total,"1,500.00"
February 2026,Google Ads,1300
February 2026,fair,0
"""
    },
    """\
spend_recorded 2026-01-01T00:00:00+01:00 amount=1200 EUR; channel=paid_search; \
period_end=2026-02-01T00:00:00+01:00; period_start=2026-01-01T00:00:00+01:00
spend_recorded 2026-01-01T00:00:00+01:00 amount=300 EUR; channel=paid_social; \
period_end=2026-02-01T00:00:00+01:00; period_start=2026-01-01T00:00:00+01:00
spend_recorded 2026-02-01T00:00:00+01:00 amount=1300 EUR; channel=paid_search; \
period_end=2026-03-01T00:00:00+01:00; period_start=2026-02-01T00:00:00+01:00
spend_recorded 2026-02-01T00:00:00+01:00 amount=0 EUR; channel=fair; \
period_end=2026-03-01T00:00:00+01:00; period_start=2026-02-01T00:00:00+01:00
""",
    {"spend_recorded EUR": "2800"},
    skipped=1,
)

OLIST: Final = Export(
    {
        "olist_marketing_qualified_leads_dataset.csv": """\
mql_id,first_contact_date,landing_page_id,origin
a1,2018-02-01,p1,paid_search
a2,2018-03-03,p2,
""",
        "olist_closed_deals_dataset.csv": """\
mql_id,seller_id,sdr_id,sr_id,won_date,business_segment
a1,s1,d1,r1,2018-02-20 19:30:00,pet
""",
    },
    """\
a1 lead 2018-02-01T00:00:00Z channel=paid_search
a1 won 2018-02-20T19:30:00Z owner=r1; segment=pet
a2 lead 2018-03-03T00:00:00Z
""",
    {},
)

MAVEN: Final = Export(
    {
        "sales_pipeline.csv": """\
opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value
O1,Ann Example,GTXPro,Acme,Won,2016-10-20,2017-03-01,4514
O2,Bob Example,MG Special,,Lost,2016-10-25,2017-03-11,0
O3,Bob Example,MG Special,,Prospecting,,,
""",
        "products.csv": "product,series,sales_price\nGTX Pro,GTX,4821\nMG Special,MG,55\n",
        "accounts.csv": "account,sector\nAcme,technolgy\n",
    },
    """\
O1 potential 2016-10-20T00:00:00Z industry=technology; owner=Ann Example; product=GTX Pro
O1 offer 2016-10-20T00:00:00Z amount=4821 USD
O1 won 2017-03-01T00:00:00Z amount=4514 USD
O2 potential 2016-10-25T00:00:00Z owner=Bob Example; product=MG Special
O2 offer 2016-10-25T00:00:00Z amount=55 USD
O2 lost 2017-03-11T00:00:00Z
""",
    {"offer USD": "4876", "won USD": "4514"},
    skipped=1,
)

EXPORTS: Final = {
    "hubspot_deals": HUBSPOT,
    "salesforce_opportunity_history": SALESFORCE_HISTORY,
    "salesforce_opportunity": SALESFORCE_REPORT,
    "pipedrive_deals": PIPEDRIVE,
    "zoho_deals": ZOHO,
    "bitrix24_deals": BITRIX24,
    "monthly_spend": SPEND,
    "olist": OLIST,
    "maven_crm": MAVEN,
}
"""Mapping in ``examples/`` → an export that it is for."""
